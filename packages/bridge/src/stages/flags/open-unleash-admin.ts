import type { ParsedSettings } from '../../bridge-settings.ts';
import { UnleashAdmin } from './unleash-admin.ts';

/** Undefined where no server, or no token that may change flags, is named. */
export function openUnleashAdmin(options: ParsedSettings): UnleashAdmin | undefined {
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
