import { systemClock, type Timer } from '@changeover/core';
import type { StageSource } from '@changeover/bridge';

const serverWaitMs = 3_000;

/** Resolves when the flag server has answered, or after three seconds. */
export async function serverAnswer(flags: StageSource): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  const look = (): void => {
    if (flags.status().source === 'server') resolve(undefined);
  };
  const end = flags.subscribe(look);
  look();
  // A timer of the project's clock keeps no process alive; this wait must.
  const alive = setInterval(look, 50);
  const timer: Timer = systemClock.after(serverWaitMs, () => {
    resolve(undefined);
  });
  await promise;
  clearInterval(alive);
  timer.cancel();
  end();
}
