/** Something that several wait for. */
export class Signal {
  private readonly waiting = new Set<() => void>();

  /** Wake all that wait. */
  notify(): void {
    const woken = [...this.waiting];
    this.waiting.clear();
    for (const wake of woken) wake();
  }

  /** Wait for the next `notify`, at most so long, and no longer than until `signal` is aborted. */
  wait(options: { timeoutMs?: number; signal?: AbortSignal } = {}): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        options.signal?.removeEventListener("abort", done);
        this.waiting.delete(done);
        resolve();
      };
      const timer = options.timeoutMs === undefined ? undefined : setTimeout(done, options.timeoutMs);
      options.signal?.addEventListener("abort", done);
      this.waiting.add(done);
      if (options.signal?.aborted) done();
    });
  }
}
