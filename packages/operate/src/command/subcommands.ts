import { addAdopt } from './adopt.ts';
import { addChangeCommands } from './change-commands.ts';
import type { AddSubcommand } from './command-context.ts';
import { addCompletion } from './completion.ts';
import { addConsole } from './console-command.ts';
import { addFinish } from './finish-command.ts';
import { addFlagsCommands } from './flags-commands.ts';
import { addMismatches } from './mismatches.ts';
import { addReadCommands } from './read-commands.ts';
import { addReportCommands } from './report-commands.ts';

/** What any bridge has of `changeover`, in the order of its help. A new subcommand is one function and one line here; what it needs of
 * the heavier modules it imports when it runs, so that the others begin at once. */
export const subcommands: readonly AddSubcommand[] = [
  addReadCommands,
  addMismatches,
  addConsole,
  addChangeCommands,
  addReportCommands,
  addFinish,
  addAdopt,
  addFlagsCommands,
  addCompletion,
];
