package main

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/compiler/protogen"

	langevinv1 "github.com/langevin-ml/langevin/proto/langevin/v1"
)

// samplers writes the page of samplers if one of the files has SampleRequest.
func (d document) samplers(files []*protogen.File) {
	messages, enums := members(files)
	comments := map[string]protogen.CommentSet{}
	for _, e := range enums {
		for _, v := range e.Values {
			comments[name(v.Desc)] = v.Comments
		}
	}
	var kinds []langevinv1.SamplerDescription
	for _, m := range messages {
		comments[name(m.Desc)] = m.Comments
		if m.Desc.FullName() == "langevin.v1.SampleRequest" {
			kinds = langevinv1.SamplersIn(m.Desc)
		}
	}
	d.out.P("<!-- Generated from the .proto files by docs/apidoc. DO NOT EDIT: run make generate. -->")
	d.out.P("# Samplers")
	d.out.P()
	d.out.P("A sampler takes chains from noise to samples. A request names a sampler and may change its settings. A ",
		"setting that is absent has its default. Each setting has three names. The flag is for `langevin sample`. The ",
		"field is for the [API](api.md) and for JSON. The key is for links to the page and for parameters of the ",
		"[Open Inference Protocol](oip.md). [Design](design.md) explains how the samplers share one update.")
	d.out.P()
	d.out.P("On the command line, settings that only one sampler takes choose it, as `--sde-steps 60` does. Plain ",
		"Langevin must be named, because it is a control. Settings that several samplers take, as `--sigmas`, mean ",
		"annealed Langevin if it is among them.")
	d.out.P()
	d.out.P("With `--sigmas`, annealed Langevin and consistency need one σ, and the others need two. With the ",
		"processes VP and sub-VP, `--times` must be above `--beta-max`. No chain takes more evaluations than the ",
		"server's `limits.max_steps`, which is 100,000 by [default](operations.md). `--frames` can be at most one ",
		"more than the number of steps.")
	d.out.P()
	d.out.P("| sampler | `--sampler` | message | |")
	d.out.P("|---|---|---|---|")
	for _, k := range kinds {
		d.out.P("| [", k.GetTitle(), "](#", anchor(k.GetTitle()), ") | `", k.GetWord(), "` | `", k.Field, "` | ",
			escaped(k.GetSummary()), " |")
	}
	for _, k := range kinds {
		d.sampler(k, comments)
	}
}

// sampler writes the section of one sampler. comments has the comments of messages and of values of enums, by name.
func (d document) sampler(k langevinv1.SamplerDescription, comments map[string]protogen.CommentSet) {
	d.out.P()
	d.out.P("## ", k.GetTitle())
	d.out.P()
	d.out.P(escaped(k.GetSummary()), " Source: ", escaped(k.GetSource()), ".")
	d.out.P()
	d.out.P("**When to use it.** ", escaped(k.GetUse()))
	d.text(comments[k.GoName()].Leading)
	d.out.P()
	d.out.P("| flag | key | field of `", k.Field, "` | values | default | meaning |")
	d.out.P("|---|---|---|---|---|---|")
	for _, s := range k.Settings {
		d.out.P("| `--", s.FlagName(), "` | `", s.Key(), "` | `", s.Field(), "` | ", allowed(s), " | ",
			escaped(s.DefaultText()), " | ", escaped(meaning(k, s)), " |")
	}
	for _, s := range k.Settings {
		if s.Type() == langevinv1.SettingWord {
			d.words(s, comments)
		}
	}
}

// words explains the values of a setting.
func (d document) words(s langevinv1.SettingDescription, comments map[string]protogen.CommentSet) {
	d.out.P()
	d.out.P("The values of `", s.Key(), "`:")
	d.out.P()
	for _, word := range s.Words() {
		d.out.P("- `", word, "`: ", cell(comments[name(s.EnumValue(word))]))
	}
}

// allowed returns the values of a setting. Words are formatted as code.
func allowed(s langevinv1.SettingDescription) string {
	if s.Type() == langevinv1.SettingWord {
		return "`" + strings.Join(s.Words(), "`, `") + "`"
	}
	return s.Allowed()
}

// meaning describes a setting, and what it needs or excludes.
func meaning(k langevinv1.SamplerDescription, s langevinv1.SettingDescription) string {
	text := strings.ToUpper(s.GetHelp()[:1]) + s.GetHelp()[1:] + "."
	if needed, found := k.Setting(s.GetNeeds().GetSetting()); found {
		text += fmt.Sprintf(" Needs %s %s.", needed.Key(), strings.Join(s.GetNeeds().GetWords(), " or "))
	}
	if s.GetExcludes() != "" {
		text += fmt.Sprintf(" Not with %s.", s.GetExcludes())
	}
	return text
}

// anchor returns the anchor of a heading on a page.
func anchor(heading string) string { return strings.ReplaceAll(strings.ToLower(heading), " ", "-") }
