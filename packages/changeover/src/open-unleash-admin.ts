import type { ParsedBridgeOptions } from './bridge-options.ts';
import { UnleashAdmin } from './unleash-admin.ts';

/** Undefined where no server, or no token that may change flags, is named. */
export function openUnleashAdmin(options: ParsedBridgeOptions): UnleashAdmin | undefined {
  const {
    unleashUrl: url,
    unleashAdminToken: token,
    unleashProject: project,
    unleashEnvironment: environment,
  } = options;
  return url === undefined || token === undefined
    ? undefined
    : new UnleashAdmin({ url, token, project, environment });
}
