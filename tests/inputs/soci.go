// BLOB ZTOC SPAN: compares a table of contents with the one that SOCI's own builder makes of the blob, then reads every file through the snapshotter's span manager, which checks every span; prints SHA-256 and name of each.
package main

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/awslabs/soci-snapshotter/cache"
	spanmanager "github.com/awslabs/soci-snapshotter/fs/span-manager"
	"github.com/awslabs/soci-snapshotter/ztoc"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	blob, err := os.Open(os.Args[1])
	check(err)
	info, err := blob.Stat()
	check(err)
	file, err := os.Open(os.Args[2])
	check(err)
	table, err := ztoc.Unmarshal(file)
	check(err)
	span, err := strconv.ParseInt(os.Args[3], 10, 64)
	check(err)

	theirs, err := ztoc.NewBuilder("theirs").BuildZtoc(os.Args[1], span)
	check(err)
	if table.Version != theirs.Version || table.CompressionAlgorithm != theirs.CompressionAlgorithm {
		check(fmt.Errorf("version %s, compression %s", table.Version, table.CompressionAlgorithm))
	}
	if table.CompressedArchiveSize != theirs.CompressedArchiveSize || table.UncompressedArchiveSize != theirs.UncompressedArchiveSize {
		check(fmt.Errorf("sizes %d and %d", table.CompressedArchiveSize, table.UncompressedArchiveSize))
	}
	if len(table.FileMetadata) != len(theirs.FileMetadata) {
		check(fmt.Errorf("%d files, not %d", len(table.FileMetadata), len(theirs.FileMetadata)))
	}
	for i, entry := range table.FileMetadata {
		// They take the time in the zone of their machine.
		theirs.FileMetadata[i].ModTime = theirs.FileMetadata[i].ModTime.UTC()
		entry.ModTime = entry.ModTime.UTC()
		if !entry.Equal(theirs.FileMetadata[i]) {
			check(fmt.Errorf("%+v, not %+v", entry, theirs.FileMetadata[i]))
		}
	}

	files := table.FileMetadata
	manager, err := spanmanager.New(table, io.NewSectionReader(blob, 0, info.Size()), cache.NewMemoryCache(), 0)
	check(err)
	fmt.Fprintf(os.Stderr, "%d spans, theirs %d\n", table.MaxSpanID+1, theirs.MaxSpanID+1)
	for _, entry := range files {
		if entry.Type != "reg" {
			continue
		}
		sum := sha256.New()
		if entry.UncompressedSize > 0 {
			content, err := manager.GetContents(entry.UncompressedOffset, entry.UncompressedOffset+entry.UncompressedSize)
			check(err)
			n, err := io.Copy(sum, content)
			check(err)
			if n != int64(entry.UncompressedSize) {
				check(fmt.Errorf("%s: %d bytes", entry.Name, n))
			}
		}
		fmt.Printf("%x /%s\n", sum.Sum(nil), entry.Name)
	}
}
