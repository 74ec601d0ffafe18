// Package proposal looks at data that no preset was made for, and proposes a complete configuration of a training.
package proposal
