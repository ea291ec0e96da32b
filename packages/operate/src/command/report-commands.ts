import { type Command, Option } from 'commander';
import { type ReportFormat, reportFormats } from '../report/report.ts';
import { type CommandContext, type CommonOptions, groups, withPlace } from './command-context.ts';
import { examples } from './help-texts.ts';
import type { PlaceOptions } from './migration.ts';

/** `gate` and `report`: what the comparisons say. */
export function addReportCommands(program: Command, context: CommandContext): void {
  withPlace(program.command('gate'))
    .addOption(
      new Option('--format <format>', 'how the answer is written')
        .choices(['text', 'json', 'junit'])
        .default('text'),
    )
    .helpGroup(groups.decide)
    .description('may keys step forward? exit code 0 yes, 3 can not be told, 99 no')
    .argument('[backend]', 'the name of a bridge; default: all')
    .argument('[key]', 'default: all')
    .addHelpText('after', examples.gate)
    .action(
      async (backend: string | undefined, key: string | undefined, options: CommonOptions) => {
        const { askGate } = await import('./ask-gate.ts');
        context.exitCode = await askGate(context, options, backend, key);
      },
    );
  withPlace(program.command('report'))
    .helpGroup(groups.decide)
    .description('what was compared, as a document')
    .addOption(
      new Option('--format <format>', 'how it is written').choices(reportFormats).default('text'),
    )
    .option('--output <file>', 'default: standard output')
    .addHelpText('after', examples.report)
    .action(
      async (
        options: PlaceOptions & { readonly format: ReportFormat; readonly output?: string },
      ) => {
        const [{ requireStore }, { writeReport }] = await Promise.all([
          import('./migration.ts'),
          import('./write-report.ts'),
        ]);
        requireStore(await context.place(options));
        await context.withMigration(options, (migration) => {
          writeReport(migration, context.streams, options.format, options.output);
        });
      },
    );
}
