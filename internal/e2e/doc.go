// Package e2e tests Pharos as its users meet it: the real binary, real ffmpeg,
// Redis, S3 server and browser. Its tests stand behind the build tags
// integration and browser.
package e2e
