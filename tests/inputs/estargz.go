// Reads a blob as stargz-snapshotter does: verifies the table of contents, then every chunk of every file; prints SHA-256 and name of each.
package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"

	"github.com/containerd/stargz-snapshotter/estargz"
	digest "github.com/opencontainers/go-digest"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	file, err := os.Open(os.Args[1])
	check(err)
	info, err := file.Stat()
	check(err)
	reader, err := estargz.Open(io.NewSectionReader(file, 0, info.Size()))
	check(err)
	// The library's own VerifyTOC knows nothing of innerOffset; the snapshotter's reader compares as here.
	if found := reader.TOCDigest(); found != digest.Digest(os.Args[2]) {
		check(fmt.Errorf("the table of contents is %s", found))
	}
	root, ok := reader.Lookup("")
	if !ok {
		check(fmt.Errorf("no root"))
	}
	walk(reader, root, "")
}

func walk(reader *estargz.Reader, entry *estargz.TOCEntry, path string) {
	switch entry.Type {
	case "dir":
		entry.ForeachChild(func(name string, child *estargz.TOCEntry) bool {
			walk(reader, child, path+"/"+name)
			return true
		})
	case "reg":
		content, err := reader.OpenFile(path)
		check(err)
		sum := sha256.New()
		for at := int64(0); at < entry.Size; {
			chunk, ok := reader.ChunkEntryForOffset(path, at)
			if !ok {
				check(fmt.Errorf("%s: nothing at %d", path, at))
			}
			bytes := make([]byte, chunk.ChunkSize)
			_, err := io.ReadFull(io.NewSectionReader(content, chunk.ChunkOffset, chunk.ChunkSize), bytes)
			check(err)
			if digest.FromBytes(bytes) != digest.Digest(chunk.ChunkDigest) {
				check(fmt.Errorf("%s: another chunk at %d", path, at))
			}
			sum.Write(bytes)
			at += chunk.ChunkSize
		}
		fmt.Printf("%x %s\n", sum.Sum(nil), path)
	}
}
