import { settings } from './settings.ts';

export function use(): string {
  settings.set('theme', 'dark');
  return `${String(settings.get('theme'))} ${String(settings.all().length)}`;
}

console.log(use());
