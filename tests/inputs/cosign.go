// Command cosign is cosign without the plugins for keys that clouds keep.
package main

import (
	"errors"
	"log"
	"os"

	"github.com/sigstore/cosign/v3/cmd/cosign/cli"
	cosignerrors "github.com/sigstore/cosign/v3/cmd/cosign/errors"
)

func main() {
	err := cli.New().Execute()
	var failed *cosignerrors.CosignError
	if errors.As(err, &failed) {
		log.Printf("error during command execution: %v", err)
		os.Exit(failed.ExitCode())
	}
	if err != nil {
		log.Fatalf("error during command execution: %v", err)
	}
}
