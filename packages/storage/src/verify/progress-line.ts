import type { VerifyProgress } from './verify-types.ts';
import { progressText } from './verify-text.ts';

const onTerminalEveryMs = 200;
const inLogEveryMs = 10_000;

/** Where progress is written. */
export interface ProgressStream {
  write(text: string): unknown;
  readonly isTTY?: boolean | undefined;
}

/** Says how far it is: on a terminal in one line that is written over, in a log in a line now and then. */
export class ProgressLine {
  readonly #stream: ProgressStream;
  readonly #nowMs: () => number;
  #shownMs: number;
  #open = false;

  constructor(stream: ProgressStream, nowMs: () => number = () => performance.now()) {
    this.#stream = stream;
    this.#nowMs = nowMs;
    this.#shownMs = nowMs();
  }

  show(progress: VerifyProgress): void {
    const nowMs = this.#nowMs();
    const onTerminal = this.#stream.isTTY === true;
    if (nowMs - this.#shownMs < (onTerminal ? onTerminalEveryMs : inLogEveryMs)) return;
    this.#shownMs = nowMs;
    // Back to the line's beginning, and what was there before is cleared.
    this.#stream.write(
      onTerminal ? `\r\u001b[2K${progressText(progress)}` : `${progressText(progress)}\n`,
    );
    this.#open = onTerminal;
  }

  /** Takes the line away. */
  end(): void {
    if (this.#open) this.#stream.write('\r\u001b[2K');
    this.#open = false;
  }
}
