package config

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// flagValue keeps what a flag was given. Nothing is checked before the whole configuration is put together, so that one
// mistake has one message, wherever it was made.
type flagValue struct {
	texts    []string
	repeated bool
	preset   string // shown in the help as the default
	typ      string
}

func (v *flagValue) Set(text string) error {
	if !v.repeated {
		v.texts = nil
	}
	v.texts = append(v.texts, text)
	return nil
}

func (v *flagValue) String() string {
	if v.texts == nil {
		return v.preset
	}
	return strings.Join(v.texts, ",")
}

func (v *flagValue) Type() string { return v.typ }

// AddFlags gives a command the flags of a scope, and those of EveryCommand --config too.
func AddFlags(flags *pflag.FlagSet, scope Scope) {
	if scope == EveryCommand {
		flags.String(configFlag, "", "configuration `file` (default: $ROLLCALL_CONFIG, else ./"+DefaultFile+" where it exists)")
	}
	defaults := Default()
	for _, k := range keys {
		if k.Scope != scope {
			continue
		}
		v := &flagValue{repeated: k.field.kind == kindList, preset: showText(k.field.show(defaults)), typ: placeholder(k)}
		if k.field.kind == kindBool {
			v.preset = ""
		}
		f := flags.VarPF(v, k.Flag(), "", k.Usage)
		if k.field.kind == kindBool {
			f.NoOptDefVal = "true"
		}
	}
}

// AddCompletions teaches the shell the values of the flags that AddFlags gave this very command for the scope.
func AddCompletions(cmd *cobra.Command, scope Scope) error {
	for _, k := range keys {
		choices := k.Choices()
		if k.Scope != scope || len(choices) == 0 {
			continue
		}
		if err := cmd.RegisterFlagCompletionFunc(k.Flag(), cobra.FixedCompletions(choices, cobra.ShellCompDirectiveNoFileComp)); err != nil {
			return fmt.Errorf("completion of --%s: %w", k.Flag(), err)
		}
	}
	return nil
}

// placeholder stands for the value in the help.
func placeholder(k Key) string {
	switch k.Name {
	case "warehouse":
		return "dir"
	case "base_url":
		return "url"
	case "page_size":
		return "n"
	case "rpm":
		return "n|auto|none"
	case "max_delete_percent":
		return "percent"
	case "metrics_file":
		return "file"
	case "model_budget", "model_max_age":
		return "duration"
	case "org":
		return "org"
	}
	if k.field.kind == kindBool {
		return "bool"
	}
	return strings.Join(k.Choices(), "|")
}
