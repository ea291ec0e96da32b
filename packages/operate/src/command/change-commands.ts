import { Argument, type Command, Option } from 'commander';
import { lazyModule, stages } from '@changeover/core';
import {
  type CommandContext,
  backendArgument,
  groups,
  keyArgument,
  withReason,
} from './command-context.ts';
import { examples } from './help-texts.ts';
import type {
  HoldSubjectOptions,
  KillOptions,
  PromoteSubjectOptions,
  ResumeSubjectOptions,
  SubjectOptions,
} from './make-changes.ts';

const loadChanges = lazyModule(() => import('./make-changes.ts'));

/** `promote`, `hold`, `rollback`, `kill`, `resume`: each moves or holds keys, and is a line of the ledger. */
export function addChangeCommands(program: Command, context: CommandContext): void {
  const command = (name: string): Command =>
    withReason(program.command(name)).helpGroup(groups.change);
  const keyCommand = (name: string, key = keyArgument()): Command =>
    command(name)
      .addArgument(backendArgument())
      .addArgument(key)
      .option('--unseen', 'accept a key that has not been called yet');
  keyCommand('promote')
    .description('move a key one stage forward, past its gates')
    .option('--force', 'go forward although the gates do not hold, or past a stage')
    .addOption(toOption('one stage forward'))
    .addOption(
      new Option(
        '--accept <operation>',
        'let an operation that nothing compares pass, or as guarantee:session what is relied on and not kept; may be given several times',
      )
        .argParser((name: string, others: readonly string[]) => [...others, name])
        .default([], 'none'),
    )
    .addHelpText('after', examples.promote)
    .action(async (backend: string, key: string, options: PromoteSubjectOptions) => {
      const { promoteKey } = await loadChanges();
      await promoteKey(context, backend, key, options);
    });
  keyCommand('hold')
    .description('keep a key from going further than it is')
    .addOption(
      new Option('--at <stage>', 'no further than this; default: the stage that it is on').choices(
        stages,
      ),
    )
    .addHelpText('after', examples.hold)
    .action(async (backend: string, key: string, options: HoldSubjectOptions) => {
      const { holdKey } = await loadChanges();
      await holdKey(context, backend, key, options);
    });
  keyCommand('rollback')
    .description('put a key back to legacy at once, and hold it there')
    .addHelpText('after', examples.rollback)
    .action(async (backend: string, key: string, options: SubjectOptions) => {
      const { rollBackKey } = await loadChanges();
      await rollBackKey(context, backend, key, options);
    });
  command('kill')
    .description('put all keys of a backend back to legacy at once, and hold them there')
    .argument('[backend]', 'the name of a bridge, as in notes')
    .option('--all', 'every backend')
    .addHelpText('after', examples.kill)
    .action(async (backend: string | undefined, options: KillOptions) => {
      const { killBackends } = await loadChanges();
      await killBackends(context, backend, options);
    });
  keyCommand('resume', new Argument('[key]', 'default: the whole backend'))
    .description('end a hold: the key goes to shadow, and on from there past its gates')
    .addOption(toOption('shadow, or where it is held if that is later'))
    .option('--force', 'go further than shadow at once')
    .addHelpText('after', examples.resume)
    .action(async (backend: string, key: string | undefined, options: ResumeSubjectOptions) => {
      const { resumeSubject } = await loadChanges();
      await resumeSubject(context, backend, key, options);
    });
}

function toOption(otherwise: string): Option {
  return new Option('--to <stage>', `the stage to go to; default: ${otherwise}`).choices(stages);
}
