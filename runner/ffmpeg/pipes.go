package ffmpeg

import (
	"fmt"
	"os"
)

// pipes are the two ends of ffmpeg's standard input and outputs.
type pipes struct {
	in       *os.File // ours, to write to
	childIn  *os.File
	out      []*os.File // ours, to read from
	childOut []*os.File
}

func openPipes(outputs int) (*pipes, error) {
	p := &pipes{}
	var err error
	if p.childIn, p.in, err = os.Pipe(); err != nil {
		return nil, fmt.Errorf("open pipe: %w", err)
	}
	for range outputs {
		r, w, err := os.Pipe()
		if err != nil {
			p.closeChild()
			p.close()
			return nil, fmt.Errorf("open pipe: %w", err)
		}
		p.out, p.childOut = append(p.out, r), append(p.childOut, w)
	}
	return p, nil
}

// closeChild closes the ends that ffmpeg has inherited: while ours stay open, no end of file comes.
func (p *pipes) closeChild() {
	_ = p.childIn.Close()
	for _, f := range p.childOut {
		_ = f.Close()
	}
}

// close closes our own ends.
func (p *pipes) close() {
	_ = p.in.Close()
	for _, f := range p.out {
		_ = f.Close()
	}
}
