import type { Command } from 'commander';
import { type CommandContext, groups, withPlace } from './command-context.ts';
import { CommandError, exitCodes } from './command-error.ts';
import { openConsole } from '../console/start-console.ts';
import { examples } from './help-texts.ts';
import type { PlaceOptions } from './migration.ts';

/** `console`: one local page, live, until Ctrl-C. */
export function addConsole(program: Command, context: CommandContext): void {
  withPlace(program.command('console'))
    .helpGroup(groups.look)
    .description('a local web page that shows all of this live, with buttons')
    .option('--port <number>', 'on 127.0.0.1; 0 takes any free one', '4780')
    .option('--read-only', 'show, and change nothing')
    .addHelpText('after', examples.console)
    .action(
      async (options: PlaceOptions & { readonly port: string; readonly readOnly?: boolean }) => {
        const port = Number(options.port);
        if (!Number.isInteger(port) || port < 0 || port > 65_535) {
          throw new CommandError('--port needs a whole number from 0 to 65535.', exitCodes.usage);
        }

        const ended = Promise.withResolvers<undefined>();
        const end = (): void => {
          ended.resolve(undefined);
        };
        const console = await openConsole({
          place: await context.place(options),
          port,
          readOnly: options.readOnly === true,
        }).catch((error: unknown) => {
          throw new CommandError(portText(error, port));
        });
        try {
          process.once('SIGINT', end).once('SIGTERM', end);
          context.streams.stdout.write(
            `${console.url}\nThe address holds the token for changes: share it with nobody. Ctrl-C ends it.\n`,
          );
          await ended.promise;
          process.off('SIGINT', end).off('SIGTERM', end);
        } finally {
          await console.close();
        }
      },
    );
}

function portText(error: unknown, port: number): string {
  const { code, message } = error as Readonly<Partial<Record<'code' | 'message', unknown>>>;
  return code === 'EADDRINUSE'
    ? `Port ${String(port)} is taken, by another console perhaps: --port 0 takes any free one.`
    : `The console can't be opened: ${String(message)}`;
}
