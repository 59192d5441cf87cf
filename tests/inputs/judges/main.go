// Judges of documents, each by the library of its format: judge FORM FILE says what the library reads, or fails.
//
//	argo      objects of Argo Workflows: decoded without unknown fields
//	tekton    objects of Tekton: decoded without unknown fields, then validated as the controller does
//	compose   a Compose file: loaded with its schema and rules; prints `SERVICE IMAGE`, a line each
//	helm      a chart: its templates with its values, printed
//	cdevents  an event: read and validated against its schema; prints its type and the schema
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sort"

	argo "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	cdevents "github.com/cdevents/sdk-go/pkg/api"
	cdevents04 "github.com/cdevents/sdk-go/pkg/api/v04"
	cdevents05 "github.com/cdevents/sdk-go/pkg/api/v05"
	composeloader "github.com/compose-spec/compose-go/v2/loader"
	compose "github.com/compose-spec/compose-go/v2/types"
	tekton "github.com/tektoncd/pipeline/pkg/apis/pipeline/v1"
	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	kyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

func main() {
	judges := map[string]func(path string) error{
		"argo":     file(func(_ string, text []byte) error { return objects(text, argoObject) }),
		"tekton":   file(func(_ string, text []byte) error { return objects(text, tektonObject) }),
		"compose":  file(composeFile),
		"cdevents": file(cdEvent),
		"helm":     helmChart,
	}
	if err := judges[os.Args[1]](os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// file reads what a judge judges.
func file(judge func(path string, text []byte) error) func(path string) error {
	return func(path string) error {
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return judge(path, text)
	}
}

// objects gives each document of a file to read, with its kind.
func objects(text []byte, read func(kind string, text []byte) error) error {
	documents := kyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text)))
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var object struct {
			APIVersion string `json:"apiVersion"`
			Kind       string `json:"kind"`
		}
		if err := yaml.Unmarshal(document, &object); err != nil {
			return err
		}
		if err := read(object.APIVersion+" "+object.Kind, document); err != nil {
			return fmt.Errorf("%s: %w", object.Kind, err)
		}
		fmt.Println(object.Kind)
	}
}

func argoObject(kind string, text []byte) error {
	switch kind {
	case "argoproj.io/v1alpha1 Workflow":
		return yaml.UnmarshalStrict(text, &argo.Workflow{})
	case "argoproj.io/v1alpha1 WorkflowTemplate":
		return yaml.UnmarshalStrict(text, &argo.WorkflowTemplate{})
	case "argoproj.io/v1alpha1 CronWorkflow":
		return yaml.UnmarshalStrict(text, &argo.CronWorkflow{})
	}
	return fmt.Errorf("no judge of %q", kind)
}

func tektonObject(kind string, text []byte) error {
	ctx := context.Background()
	switch kind {
	case "tekton.dev/v1 Task":
		task := &tekton.Task{}
		if err := yaml.UnmarshalStrict(text, task); err != nil {
			return err
		}
		task.SetDefaults(ctx)
		return orNil(task.Validate(ctx))
	case "tekton.dev/v1 Pipeline":
		pipeline := &tekton.Pipeline{}
		if err := yaml.UnmarshalStrict(text, pipeline); err != nil {
			return err
		}
		pipeline.SetDefaults(ctx)
		return orNil(pipeline.Validate(ctx))
	case "tekton.dev/v1 PipelineRun":
		run := &tekton.PipelineRun{}
		if err := yaml.UnmarshalStrict(text, run); err != nil {
			return err
		}
		run.SetDefaults(ctx)
		return orNil(run.Validate(ctx))
	}
	return fmt.Errorf("no judge of %q", kind)
}

// orNil makes an error of a pointer that may be nil.
func orNil[T any, P interface {
	*T
	error
}](err P) error {
	if err == nil {
		return nil
	}
	return err
}

func composeFile(name string, text []byte) error {
	details := compose.ConfigDetails{
		WorkingDir:  ".",
		ConfigFiles: []compose.ConfigFile{{Filename: name, Content: text}},
	}
	project, err := composeloader.LoadWithContext(context.Background(), details, func(options *composeloader.Options) {
		options.SetProjectName("judged", true)
		options.SkipConsistencyCheck = true
	})
	if err != nil {
		return err
	}
	names := project.ServiceNames()
	sort.Strings(names)
	for _, name := range names {
		fmt.Println(name, project.Services[name].Image)
	}
	return nil
}

func helmChart(path string) error {
	chart, err := loader.Load(path)
	if err != nil {
		return err
	}
	values, err := chartutil.ToRenderValues(chart, nil, chartutil.ReleaseOptions{Name: "judged", Namespace: "default"}, nil)
	if err != nil {
		return err
	}
	files, err := engine.Render(chart, values)
	if err != nil {
		return err
	}
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		fmt.Printf("# %s\n%s\n", name, files[name])
	}
	return nil
}

func cdEvent(_ string, text []byte) error {
	var document struct {
		Context struct {
			SpecVersion string `json:"specversion"`
			Type        string `json:"type"`
		} `json:"context"`
	}
	if err := json.Unmarshal(text, &document); err != nil {
		return err
	}
	read := cdevents04.NewFromJsonBytes
	if document.Context.SpecVersion != "" {
		read = cdevents05.NewFromJsonBytes
	}
	event, err := read(text)
	if err != nil {
		return err
	}
	if err := cdevents.Validate(event); err != nil {
		return err
	}
	// The event that was read lacks unknown fields: the schema judges the text as well.
	var whole any
	if err := json.Unmarshal(text, &whole); err != nil {
		return err
	}
	url, schema, err := event.GetSchema()
	if err != nil {
		return err
	}
	if err := schema.Validate(whole); err != nil {
		return err
	}
	if document.Context.Type != event.GetType().String() {
		return fmt.Errorf("%q was judged as %q", document.Context.Type, event.GetType())
	}
	fmt.Println(document.Context.Type, url)
	return nil
}
