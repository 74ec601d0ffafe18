package main

import (
	"fmt"
	"strings"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// messageRules returns the rules over several fields of a message, one line each.
func messageRules(m *protogen.Message) []string {
	rules, _ := proto.GetExtension(m.Desc.Options(), validate.E_Message).(*validate.MessageRules)
	var lines []string
	for _, rule := range rules.GetCel() {
		lines = append(lines, rule.GetMessage())
	}
	for _, rule := range rules.GetOneof() {
		lines = append(lines, "at most one of "+strings.Join(rule.GetFields(), ", "))
	}
	return lines
}

// fieldRules returns the rules of a field in one line; empty if there are none.
func fieldRules(f *protogen.Field) string {
	rules, _ := proto.GetExtension(f.Desc.Options(), validate.E_Field).(*validate.FieldRules)
	words := ruleWords(rules.ProtoReflect())
	if len(words) > 0 && rules.GetIgnore() == validate.Ignore_IGNORE_IF_ZERO_VALUE {
		words = append(words, "or empty")
	}
	return strings.Join(words, ", ")
}

// ruleWords describes the rules in a message, which is FieldRules or the rules of one type, in the order of its fields.
func ruleWords(rules protoreflect.Message) []string {
	var words []string
	for i := range rules.Descriptor().Fields().Len() {
		f := rules.Descriptor().Fields().Get(i)
		if !rules.Has(f) {
			continue
		}
		value := rules.Get(f)
		switch f.Name() {
		case "ignore": // handled by fieldRules
		case "cel":
			words = append(words, celWords(value.List())...)
		case "items":
			words = append(words, "each "+strings.Join(ruleWords(value.Message()), ", "))
		default:
			if f.Message() != nil {
				words = append(words, ruleWords(value.Message())...)
			} else {
				words = append(words, ruleWord(f.Name(), value))
			}
		}
	}
	return words
}

func celWords(rules protoreflect.List) []string {
	var words []string
	for i := range rules.Len() {
		words = append(words, rules.Get(i).Message().Interface().(*validate.Rule).GetMessage())
	}
	return words
}

func ruleWord(name protoreflect.Name, value protoreflect.Value) string {
	switch name {
	case "gt":
		return fmt.Sprintf("> %v", value)
	case "gte":
		return fmt.Sprintf("≥ %v", value)
	case "lt":
		return fmt.Sprintf("\\< %v", value)
	case "lte":
		return fmt.Sprintf("≤ %v", value)
	case "pattern":
		return fmt.Sprintf("`%v`", value)
	case "min_items":
		return fmt.Sprintf("at least %v", value)
	case "unique":
		return "no two equal"
	case "defined_only":
		return "one of its values"
	}
	return string(name) // required, finite
}
