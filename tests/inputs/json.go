// Reads documents of images as Go reads them, with the structs of the image specification: one line "KIND JSON" of
// standard input each, KIND being config, manifest or index. Prints what it read as a list of facts, or "refused".
// With the argument "fold" it prints instead every character that stands for another one in names of fields.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"sort"
	"strings"
	"unicode"
)

type platform struct {
	Architecture string   `json:"architecture"`
	OS           string   `json:"os"`
	OSVersion    string   `json:"os.version,omitempty"`
	OSFeatures   []string `json:"os.features,omitempty"`
	Variant      string   `json:"variant,omitempty"`
}

type descriptor struct {
	MediaType    string            `json:"mediaType"`
	Digest       string            `json:"digest"`
	Size         int64             `json:"size"`
	URLs         []string          `json:"urls,omitempty"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	Data         []byte            `json:"data,omitempty"`
	Platform     *platform         `json:"platform,omitempty"`
	ArtifactType string            `json:"artifactType,omitempty"`
}

type document struct {
	SchemaVersion int               `json:"schemaVersion"`
	MediaType     string            `json:"mediaType,omitempty"`
	ArtifactType  string            `json:"artifactType,omitempty"`
	Config        descriptor        `json:"config"`
	Layers        []descriptor      `json:"layers"`
	Manifests     []descriptor      `json:"manifests"`
	Subject       *descriptor       `json:"subject,omitempty"`
	Annotations   map[string]string `json:"annotations,omitempty"`
}

type healthcheck struct {
	Test          []string `json:",omitempty"`
	Interval      int64    `json:",omitempty"`
	Timeout       int64    `json:",omitempty"`
	StartPeriod   int64    `json:",omitempty"`
	StartInterval int64    `json:",omitempty"`
	Retries       int      `json:",omitempty"`
}

type image struct {
	Created      string   `json:"created,omitempty"`
	Author       string   `json:"author,omitempty"`
	Architecture string   `json:"architecture"`
	OS           string   `json:"os"`
	OSVersion    string   `json:"os.version,omitempty"`
	OSFeatures   []string `json:"os.features,omitempty"`
	Variant      string   `json:"variant,omitempty"`
	Config       struct {
		User         string              `json:"User,omitempty"`
		ExposedPorts map[string]struct{} `json:"ExposedPorts,omitempty"`
		Env          []string            `json:"Env,omitempty"`
		Entrypoint   []string            `json:"Entrypoint,omitempty"`
		Cmd          []string            `json:"Cmd,omitempty"`
		Volumes      map[string]struct{} `json:"Volumes,omitempty"`
		WorkingDir   string              `json:"WorkingDir,omitempty"`
		Labels       map[string]string   `json:"Labels,omitempty"`
		StopSignal   string              `json:"StopSignal,omitempty"`
		Healthcheck  *healthcheck        `json:",omitempty"`
	} `json:"config,omitempty"`
	RootFS struct {
		Type    string   `json:"type"`
		DiffIDs []string `json:"diff_ids"`
	} `json:"rootfs"`
	History []struct {
		Created    string `json:"created,omitempty"`
		CreatedBy  string `json:"created_by,omitempty"`
		Author     string `json:"author,omitempty"`
		Comment    string `json:"comment,omitempty"`
		EmptyLayer bool   `json:"empty_layer,omitempty"`
	} `json:"history,omitempty"`
}

func list(texts []string) []string { return append([]string{}, texts...) }

func keys(set map[string]struct{}) []string {
	all := []string{}
	for key := range set {
		all = append(all, key)
	}
	sort.Strings(all)
	return all
}

func pairs(texts map[string]string) map[string]string {
	all := map[string]string{}
	for key, value := range texts {
		all[key] = value
	}
	return all
}

func ofDescriptor(it *descriptor) any {
	if it == nil {
		return nil
	}
	var on any
	if p := it.Platform; p != nil {
		on = []any{p.Architecture, p.OS, p.OSVersion, list(p.OSFeatures), p.Variant}
	}
	return []any{it.MediaType, it.Digest, it.Size, list(it.URLs), pairs(it.Annotations), on, it.ArtifactType}
}

func ofDescriptors(all []descriptor) []any {
	found := []any{}
	for i := range all {
		found = append(found, ofDescriptor(&all[i]))
	}
	return found
}

func facts(kind, text string) (any, error) {
	if kind == "config" {
		var it image
		if err := json.Unmarshal([]byte(text), &it); err != nil {
			return nil, err
		}
		history := []any{}
		for _, step := range it.History {
			history = append(history, []any{step.Created, step.CreatedBy, step.Author, step.Comment, step.EmptyLayer})
		}
		run := it.Config
		var health any
		if h := run.Healthcheck; h != nil {
			health = []any{list(h.Test), h.Interval, h.Timeout, h.StartPeriod, h.StartInterval, h.Retries}
		}
		return []any{
			it.Created, it.Author, it.Architecture, it.OS, it.OSVersion, list(it.OSFeatures), it.Variant,
			run.User, keys(run.ExposedPorts), list(run.Env), list(run.Entrypoint), list(run.Cmd), keys(run.Volumes),
			run.WorkingDir, pairs(run.Labels), run.StopSignal, health,
			it.RootFS.Type, list(it.RootFS.DiffIDs), history,
		}, nil
	}
	var it document
	if err := json.Unmarshal([]byte(text), &it); err != nil {
		return nil, err
	}
	if kind == "index" {
		return []any{it.SchemaVersion, it.MediaType, it.ArtifactType, ofDescriptors(it.Manifests), ofDescriptor(it.Subject), pairs(it.Annotations)}, nil
	}
	return []any{it.SchemaVersion, it.MediaType, it.ArtifactType, ofDescriptor(&it.Config), ofDescriptors(it.Layers), ofDescriptor(it.Subject), pairs(it.Annotations)}, nil
}

func fold() {
	for character := rune(0); character <= unicode.MaxRune; character++ {
		least := character
		for next := unicode.SimpleFold(character); next != character; next = unicode.SimpleFold(next) {
			least = min(least, next)
		}
		if least != character {
			fmt.Println(character, least)
		}
	}
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "fold" {
		fold()
		return
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		kind, text, _ := strings.Cut(lines.Text(), " ")
		found, err := facts(kind, text)
		if err != nil {
			fmt.Println("refused")
			continue
		}
		written, err := json.Marshal(found)
		if err != nil {
			panic(err)
		}
		fmt.Println(string(written))
	}
}
