// tilt FILE: runs a Tiltfile by the interpreter of Starlark that Tilt uses, with the functions of Tilt that say what is built.
// Commands of `local` are run; everything else is printed as JSON: a call a line.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"go.starlark.net/starlark"
	"go.starlark.net/syntax"
)

func main() {
	file := os.Args[1]
	predeclared := starlark.StringDict{"local": starlark.NewBuiltin("local", local)}
	// The parameters that Tilt's reference gives each function.
	for name, parameters := range map[string][]string{
		"watch_file":   {"file_path"},
		"k8s_yaml":     {"yaml", "allow_duplicates"},
		"custom_build": {"ref", "command", "deps", "tag", "disable_push", "skips_local_docker", "live_update", "match_in_env_vars", "ignore", "entrypoint", "container_args", "command_bat_val", "outputs_image_ref_to", "command_bat", "image_deps", "env", "dir"},
	} {
		predeclared[name] = starlark.NewBuiltin(name, recorded(parameters))
	}
	if err := os.Chdir(filepath.Dir(file)); err != nil {
		fail(err)
	}
	thread := &starlark.Thread{Name: "tilt"}
	if _, err := starlark.ExecFileOptions(&syntax.FileOptions{}, thread, filepath.Base(file), nil, predeclared); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// local runs a command as Tilt does, and returns what it prints.
func local(_ *starlark.Thread, _ *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
	var command string
	var quiet bool
	if err := starlark.UnpackArgs("local", args, kwargs, "command", &command, "quiet?", &quiet); err != nil {
		return nil, err
	}
	output, err := exec.Command("sh", "-c", command).Output()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", command, err)
	}
	return starlark.String(output), nil
}

// recorded prints the arguments of a call by their names.
func recorded(parameters []string) func(*starlark.Thread, *starlark.Builtin, starlark.Tuple, []starlark.Tuple) (starlark.Value, error) {
	return func(_ *starlark.Thread, builtin *starlark.Builtin, args starlark.Tuple, kwargs []starlark.Tuple) (starlark.Value, error) {
		call := map[string]any{"function": builtin.Name()}
		if len(args) > len(parameters) {
			return nil, fmt.Errorf("%s has %d parameters", builtin.Name(), len(parameters))
		}
		for number, value := range args {
			call[parameters[number]] = plain(value)
		}
		for _, pair := range kwargs {
			name := string(pair[0].(starlark.String))
			known := false
			for _, parameter := range parameters {
				known = known || parameter == name
			}
			if _, twice := call[name]; twice || !known {
				return nil, fmt.Errorf("%s has no parameter %s here", builtin.Name(), name)
			}
			call[name] = plain(pair[1])
		}
		line, err := json.Marshal(call)
		fmt.Println(string(line))
		return starlark.None, err
	}
}

func plain(value starlark.Value) any {
	switch value := value.(type) {
	case starlark.String:
		return string(value)
	case starlark.Bool:
		return bool(value)
	case *starlark.List:
		items := []any{}
		for number := range value.Len() {
			items = append(items, plain(value.Index(number)))
		}
		return items
	default:
		return value.String()
	}
}
