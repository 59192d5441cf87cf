// registry serve CONFIG: the in-memory registry of go-containerregistry with the referrers API, started and logged like docker-registry.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"

	"github.com/google/go-containerregistry/pkg/registry"
)

// answer notes the status that was sent.
type answer struct {
	http.ResponseWriter
	status int
}

func (a *answer) WriteHeader(status int) {
	a.status = status
	a.ResponseWriter.WriteHeader(status)
}

func main() {
	text, err := os.ReadFile(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	var config struct{ HTTP struct{ Addr string } }
	if err := json.Unmarshal(text, &config); err != nil {
		log.Fatal(err)
	}
	handler := registry.New(registry.WithReferrersSupport(true), registry.Logger(log.New(io.Discard, "", 0)))
	log.Fatal(http.ListenAndServe(config.HTTP.Addr, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		logged := &answer{w, http.StatusOK}
		handler.ServeHTTP(logged, r)
		fmt.Printf("- - - [-] \"%s %s %s\" %d\n", r.Method, r.RequestURI, r.Proto, logged.status)
	})))
}
