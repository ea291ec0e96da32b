import { gatesIn } from '@changeover/bridge';
import type { GateDefinition } from '@changeover/bridge';
import { CommandError } from './command-error.ts';

/** Where a gates file may be named. */
interface GatesPlace {
  readonly gatesFile: string | undefined;
}

/** What a step forward is judged by, or why that can't be told. */
export function readableGates({ gatesFile }: GatesPlace): readonly GateDefinition[] | string {
  try {
    return gatesIn(gatesFile);
  } catch (error) {
    return String((error as { message?: unknown }).message);
  }
}

/** @throws {CommandError} where the gates file can't be used. */
export function usableGates(place: GatesPlace): readonly GateDefinition[] {
  const gates = readableGates(place);
  if (typeof gates === 'string') throw new CommandError(gates);
  return gates;
}
