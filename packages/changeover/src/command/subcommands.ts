import { type AddSubcommand, addDoctor, addInit } from '@changeover/operate/command';
import { addVerify } from '@changeover/storage/command';
import { driverChecks } from './doctor-drivers.ts';
import { serverChecks } from './doctor-server.ts';
import { initHandles } from './init-handles.ts';

/** What `changeover` has beside what any bridge has: it names databases. */
export const moreSubcommands: readonly AddSubcommand[] = [
  addVerify,
  addInit(initHandles),
  addDoctor([...driverChecks, ...serverChecks]),
];
