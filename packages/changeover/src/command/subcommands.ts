import { type AddSubcommand, addDoctor, addInit, addReproduce } from '@changeover/operate/command';
import { addVerify, reproduceOnLegs } from '@changeover/storage/command';
import { driverChecks } from './doctor-drivers.ts';
import { serverChecks } from './doctor-server.ts';
import { initHandles } from './init-handles.ts';

/** What `changeover` has beside what any bridge has: it names databases. */
export const moreSubcommands: readonly AddSubcommand[] = [
  addReproduce(reproduceOnLegs),
  addVerify,
  addInit(initHandles),
  addDoctor([...driverChecks, ...serverChecks]),
];
