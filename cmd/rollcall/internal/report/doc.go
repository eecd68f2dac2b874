// Package report says what a warehouse holds and how its runs went, for people: the terminal and the status page use the same words.
//
// Nothing in it is a value of a user: tables and columns are described, not shown, and runs are counted. Reading fails where a version's files cannot be
// read; text never fails.
package report
