// Reads tars as Go's archive/tar does, which all container tools use: a file of them, each after its length in 8 bytes,
// most significant first. Prints a line for each entry, as tar.py does, and one for the end of each tar.
package main

import (
	"archive/tar"
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	file, err := os.Open(os.Args[1])
	if err != nil {
		panic(err)
	}
	input, output := bufio.NewReader(file), bufio.NewWriter(os.Stdout)
	defer output.Flush()
	for {
		var length uint64
		if binary.Read(input, binary.BigEndian, &length) == io.EOF {
			return
		}
		blob := make([]byte, length)
		if _, err := io.ReadFull(input, blob); err != nil {
			panic(err)
		}
		list(tar.NewReader(bytes.NewReader(blob)), output)
	}
}

func list(reader *tar.Reader, output io.Writer) {
	for {
		header, err := reader.Next()
		if err == io.EOF {
			fmt.Fprintln(output, "end")
			return
		}
		if err != nil {
			fmt.Fprintln(output, "refused")
			return
		}
		if header.Typeflag == tar.TypeXGlobalHeader {
			continue
		}
		kind := header.Typeflag
		if kind == tar.TypeGNUSparse {
			kind = tar.TypeReg
		}
		link := ""
		if kind == tar.TypeLink || kind == tar.TypeSymlink {
			link = header.Linkname
		}
		size := header.Size
		content := "-"
		if kind == tar.TypeReg && size < 1<<20 {
			sum := sha256.New()
			if _, err := io.Copy(sum, reader); err != nil {
				fmt.Fprintln(output, "refused")
				return
			}
			content = fmt.Sprintf("%x", sum.Sum(nil))
		}
		if kind != tar.TypeReg {
			size = 0
		}
		name := strings.TrimRight(header.Name, "/")
		fmt.Fprintf(output, "%c name=%x link=%x size=%d mode=%o owner=%d:%d time=%d content=%s\n",
			kind, name, link, size, header.Mode&0o7777, header.Uid, header.Gid, header.ModTime.Unix(), content)
	}
}
