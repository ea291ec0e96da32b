/** Tells people how far a long job is: a bar on a terminal, a line now and then elsewhere. Always on standard error. */
export class Progress {
  readonly #terminal = process.stderr.isTTY;
  readonly #colour = process.stderr.isTTY && process.env['NO_COLOR'] === undefined;
  #last = '';

  /** A step has begun or ended. */
  say(line: string): void {
    this.#clear();
    process.stderr.write(`${line}\n`);
  }

  /** @param share how much is done, 0 to 1. */
  show(title: string, share: number, detail: string): void {
    if (!this.#terminal) return;
    const width = 28;
    const full = Math.round(width * Math.min(1, Math.max(0, share)));
    const bar = `${'█'.repeat(full)}${'░'.repeat(width - full)}`;
    const line = `${title.padEnd(22)} ${this.#colour ? `\u001b[36m${bar}\u001b[0m` : bar} ${detail}`;
    this.#clear();
    process.stderr.write(line.slice(0, (process.stderr.columns || 100) + 9));
    this.#last = line;
  }

  #clear(): void {
    if (this.#last !== '') process.stderr.write('\r\u001b[2K');
    this.#last = '';
  }
}
