// Package optimizer moves the weights of a network down a gradient.
//
// A [Config] chooses an algorithm. To add one, write its kind in a file of its own and give it a row of the table.
package optimizer
