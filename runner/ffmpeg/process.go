package ffmpeg

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// Defaults of Options.
const (
	// DefaultQueueFrames takes in a cached GOP of 250 frames or a takeover's 20 s at 60 frames per second.
	DefaultQueueFrames = 1200
	DefaultQueueBytes  = 64 << 20
	DefaultGrace       = time.Second
)

// Options say what a Process does. Spec is needed, and OnPacket and OnStill where it has outputs and
// stills; everything else has a default.
type Options struct {
	Spec

	// Config is the source's AVC or HEVC configuration record; its frames hold NAL units behind their lengths.
	Config []byte
	// ReorderDepth is Stream.ReorderDepth of the source: about (PTS − DTS) × rate of a keyframe.
	ReorderDepth int
	// OnPacket gets what rung (an index of Outputs) makes, in order: frames in Annex B, parameter sets
	// in s.Extradata. Each rung calls from a goroutine of its own, all at once. The packet's data belongs
	// to OnPacket. It must be quick: while it runs, its rung's pipe fills, and then ffmpeg waits, with all rungs.
	OnPacket func(rung int, s Stream, p Packet)
	// OnStill gets the pictures that Spec.Stills asks for, each a JPEG with the PTS of its source frame. It
	// is called from a goroutine of its own, and must be quick, as OnPacket.
	OnStill func(p Packet)
	// Background lowers the priority of the process: others that want the CPU get it first.
	Background bool

	Path        string        // of ffmpeg; "" = "ffmpeg" in PATH
	QueueFrames int           // frames that may wait for ffmpeg; 0 = DefaultQueueFrames
	QueueBytes  int64         // bytes that may wait; 0 = DefaultQueueBytes
	Grace       time.Duration // between SIGTERM and SIGKILL; 0 = DefaultGrace
	Environ     []string      // what ffmpeg's environment is chosen from; nil = os.Environ()
	Logger      *slog.Logger  // nil = discard
}

func (o Options) withDefaults() Options {
	o.Spec = o.Spec.withDefaults()
	o.Path = cmp.Or(o.Path, "ffmpeg")
	o.QueueFrames = cmp.Or(o.QueueFrames, DefaultQueueFrames)
	o.QueueBytes = cmp.Or(o.QueueBytes, int64(DefaultQueueBytes))
	o.Grace = cmp.Or(o.Grace, DefaultGrace)
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	if o.Environ == nil {
		o.Environ = os.Environ()
	}
	return o
}

func (o Options) validate() error {
	errs := []error{o.Spec.validate()}
	if o.OnPacket == nil && len(o.Outputs) > 0 {
		errs = append(errs, errors.New("no OnPacket: nobody takes what ffmpeg makes"))
	}
	if (o.OnStill == nil) != (o.Stills == nil) {
		errs = append(errs, errStills)
	}
	if o.ReorderDepth < 0 || o.ReorderDepth > maxReorder {
		errs = append(errs, fmt.Errorf("reorder depth of %d: want 0 to %d", o.ReorderDepth, maxReorder))
	}
	if o.QueueFrames < 0 || o.QueueBytes < 0 || o.Grace < 0 {
		errs = append(errs, errors.New("negative QueueFrames, QueueBytes or Grace"))
	}
	return errors.Join(errs...)
}

// A Process is a running ffmpeg. Its methods may be called from several goroutines at once; frames
// come in order only from one.
type Process struct {
	o      Options
	cmd    *exec.Cmd
	cancel context.CancelCauseFunc
	log    *lineLog
	queue  *queue
	pipes  *pipes

	mu       sync.Mutex // protects what follows, and keeps sets in front of their frame
	config   []byte     // the record in force
	sets     []byte     // to be put in front of the next keyframe; nil = nothing
	lengths  int        // bytes of a NAL unit's length
	finished bool       // CloseInput was called

	done chan struct{} // closed when ffmpeg and all goroutines have ended
	err  error         // what Wait returns, once done
}

// Start starts ffmpeg. It ends when ctx does: SIGTERM first, SIGKILL after Options.Grace. Otherwise it
// ends once CloseInput was called and everything is encoded. In any case, call Wait.
func Start(ctx context.Context, o Options) (*Process, error) {
	o = o.withDefaults()
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("start ffmpeg: %w", err)
	}
	config, err := parseConfig(o.Codec, o.Config)
	if err != nil {
		return nil, fmt.Errorf("start ffmpeg: %w", err)
	}
	p := &Process{
		o:       o,
		log:     &lineLog{log: o.Logger},
		queue:   newQueue(o.QueueFrames, o.QueueBytes),
		config:  o.Config,
		lengths: config.lengthSize,
		done:    make(chan struct{}),
	}
	if p.pipes, err = openPipes(o.pipesOut()); err != nil {
		return nil, fmt.Errorf("start ffmpeg: %w", err)
	}
	ctx, p.cancel = context.WithCancelCause(ctx)
	if err := p.prepare(ctx); err != nil {
		p.pipes.closeChild()
		p.pipes.close()
		p.cancel(nil)
		return nil, fmt.Errorf("start ffmpeg: %w", err)
	}
	started := make(chan error)
	go p.run(ctx, started)
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start ffmpeg: %w", err)
	}
	return p, nil
}

func (p *Process) prepare(ctx context.Context) error {
	args, err := Args(p.o.Spec)
	if err != nil {
		return err
	}
	p.cmd = exec.CommandContext(ctx, p.o.Path, args...) //nolint:gosec // The operator says which ffmpeg.
	p.cmd.Env = environ(p.o.Environ)
	p.cmd.Stdin = p.pipes.childIn
	p.cmd.ExtraFiles = p.pipes.childOut
	p.cmd.Stderr = p.log
	p.cmd.SysProcAttr = sysProcAttr()
	p.cmd.WaitDelay = p.o.Grace
	p.cmd.Cancel = func() error {
		// ffmpeg notices a SIGTERM only between two reads: the end of file wakes it.
		_ = p.pipes.in.Close()
		err := syscall.Kill(-p.cmd.Process.Pid, syscall.SIGTERM)
		if errors.Is(err, syscall.ESRCH) {
			return os.ErrProcessDone
		}
		return err
	}
	return nil
}

// run lives as long as ffmpeg, on one thread, and then tidies up.
func (p *Process) run(ctx context.Context, started chan<- error) {
	defer p.cancel(nil)
	defer pinThread()()
	err := p.cmd.Start()
	p.pipes.closeChild()
	if err != nil {
		p.pipes.close()
		started <- err
		return
	}
	if p.o.Background {
		standBack(p.cmd.Process.Pid)
	}
	started <- nil

	var wg sync.WaitGroup
	wg.Go(func() { p.feed() })
	for i, out := range p.pipes.out {
		if i == len(p.o.Outputs) {
			wg.Go(func() { p.readStills(out) })
			continue
		}
		wg.Go(func() { p.read(i, out) })
	}
	err = p.cmd.Wait()
	p.queue.close()
	_ = p.pipes.in.Close() // Wakes feed; it may be closed already.
	wg.Wait()
	p.pipes.close()
	p.err = p.result(ctx, err)
	close(p.done)
}

// feed writes queued frames to ffmpeg, and ends its input once the queue is closed and empty. What
// comes after a failed write is thrown away: the process has ended, and Wait says why.
func (p *Process) feed() {
	defer p.pipes.in.Close()
	w, err := NewWriter(p.pipes.in, Stream{
		FourCC:       fourCC(p.o.Codec),
		Width:        p.o.Source.Width,
		Height:       p.o.Source.Height,
		Extradata:    p.o.Config,
		ReorderDepth: p.o.ReorderDepth,
		FrameRate:    p.o.declaredRate(),
	})
	for {
		packet, ok := p.queue.pop()
		if !ok {
			return
		}
		if err == nil {
			err = w.Write(packet)
		}
	}
}

// read hands on what rung i makes. A stream that cannot be read ends the process; the pipe is emptied
// in any case, as ffmpeg waits with all rungs while one is full.
func (p *Process) read(i int, out io.Reader) {
	defer func() { _, _ = io.Copy(io.Discard, out) }()
	r := NewReader(out)
	s, err := r.Stream()
	for err == nil {
		var packet Packet
		if packet, err = r.Next(); err == nil {
			p.o.OnPacket(i, s, packet)
		}
	}
	if errors.Is(err, ErrNUT) {
		p.cancel(fmt.Errorf("read rung %s: %w", p.o.Outputs[i].Name(), err))
	}
}

// result is what Wait says, once ffmpeg's own last word is err.
func (p *Process) result(ctx context.Context, err error) error {
	lines := p.log.finish()
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case err == nil && p.finished:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("ffmpeg was stopped: %w", context.Cause(ctx))
	case err == nil:
		err = errors.New("it ended before its input did")
	}
	return &ExitError{Lines: lines, Err: err}
}

// An ExitError says how ffmpeg ended when nobody had stopped it.
type ExitError struct {
	Lines []string // the last of its standard error, at most 20
	Err   error    // *exec.ExitError has the exit status
}

// Error is one line: the exit status and the last line that ffmpeg wrote.
func (e *ExitError) Error() string {
	if len(e.Lines) == 0 {
		return fmt.Sprintf("ffmpeg: %v", e.Err)
	}
	return fmt.Sprintf("ffmpeg: %v: %s", e.Err, e.Lines[len(e.Lines)-1])
}

// Unwrap gives Err.
func (e *ExitError) Unwrap() error { return e.Err }

// Write hands one frame to ffmpeg; it never blocks. Frames come in decoding order, and their NAL units
// stand behind their lengths. The Process keeps p.Data: do not change it. Errors: ErrBehind, after
// which writing goes on (frames in front of the first keyframe are left out that way, too); ErrClosed;
// and one for a frame that NUT cannot carry, which is left out.
func (p *Process) Write(f Packet) error {
	if f.PTS < 0 || len(f.Data) == 0 || len(f.Data) > MaxPacket {
		return fmt.Errorf("write to ffmpeg: frame of %d bytes at tick %d: want 1 to %d bytes, and no negative time",
			len(f.Data), f.PTS, MaxPacket)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	withSets := f.Key && p.sets != nil
	if withSets {
		f.Data = bytes.Join([][]byte{p.sets, f.Data}, nil)
	}
	err := p.queue.push(f)
	if err == nil && withSets {
		p.sets = nil
	}
	return err
}

// Reconfigure says that frames from now on depend on another configuration record of the same codec: its parameter
// sets go in front of the next keyframe. The record in force again is no change. It fails for what is
// no record, and for one with NAL unit lengths of another size than the first one's: that takes a new
// process.
func (p *Process) Reconfigure(config []byte) error {
	c, err := parseConfig(p.o.Codec, config)
	if err != nil {
		return fmt.Errorf("reconfigure ffmpeg: %w", err)
	}
	sets, err := c.inBand()
	if err != nil {
		return fmt.Errorf("reconfigure ffmpeg: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if c.lengthSize != p.lengths {
		return fmt.Errorf("reconfigure ffmpeg: NAL unit lengths of %d bytes, were %d", c.lengthSize, p.lengths)
	}
	if !bytes.Equal(config, p.config) {
		p.config, p.sets = bytes.Clone(config), sets
	}
	return nil
}

// CloseInput ends the input. What was written is still encoded and handed to OnPacket; then ffmpeg
// ends. It may be called again. Without a single frame in, ffmpeg ends with an error.
func (p *Process) CloseInput() {
	p.mu.Lock()
	p.finished = true
	p.mu.Unlock()
	p.queue.close()
}

// Wait blocks until ffmpeg and every goroutine of the Process have ended; OnPacket is not called
// afterwards. It returns nil if the input was closed and all of it encoded, an error with the cause of
// the context in its chain if that ended first, else an *ExitError. It may be called again.
func (p *Process) Wait() error {
	<-p.done
	return p.err
}

// Done is closed when Wait would not block.
func (p *Process) Done() <-chan struct{} { return p.done }

// PID is ffmpeg's process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Stats tells what happened to the frames written so far.
func (p *Process) Stats() QueueStats { return p.queue.snapshot() }
