// Package objectstoretest has the servers that object storage is tested against: versitygw, a real one, and a fake that every machine has. Requests
// to either pass a Front, where a test counts them and makes them fail.
//
// Nothing here is made by the code under test: the fake is maps and standard library, and what the real server holds is looked at in its files.
package objectstoretest
