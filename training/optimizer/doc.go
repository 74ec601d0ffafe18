// Package optimizer moves the weights of a network down a gradient.
//
// A [Config] chooses an algorithm. To add one, write its kind in a new file and add a row to the table.
package optimizer
