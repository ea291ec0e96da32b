import {
  askFleet,
  askPrograms,
  type AskedPrograms,
  type ParsedSettings,
  type RepeatableCall,
  type SampleGroup,
  storedCall,
} from '@changeover/bridge';

/** Both legs together. */
export const usualTimeoutMs = 60_000;

/**
 * Asks the programs that run on a store to make a mismatch's call again: they have the calls of their last mismatches in memory, and the
 * legs of a bridge over an object of their own. Where several hosts share the store, a program of any of them may be it.
 *
 * @throws the driver's error where the store can't be written.
 */
export async function repeatInPrograms(
  { ledgerUrl, storePath }: ParsedSettings,
  group: SampleGroup,
  timeoutMs: number = usualTimeoutMs,
): Promise<AskedPrograms> {
  const { backend, id } = group;
  const request = { backend, id, call: callIfKept(group), timeoutMs };
  return ledgerUrl === undefined
    ? await askPrograms(storePath, request)
    : await askFleet(ledgerUrl, request);
}

function callIfKept(group: SampleGroup): RepeatableCall | undefined {
  try {
    return storedCall(group);
  } catch {
    // Then a program that has it in memory is all there is.
    return undefined;
  }
}

/** What a person may do where no program made it. */
export function nobodyText(
  { id }: SampleGroup,
  asked: Exclude<AskedPrograms['kind'], 'made'>,
): string {
  switch (asked) {
    case 'late':
      return 'A program took it and did not answer in time: --timeout SECONDS gives it more.';
    default:
      return `No program that runs on this store has its call in memory. In the program: await bridgeOf(object).reproduce('${id}')`;
  }
}
