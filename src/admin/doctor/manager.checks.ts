import type { ManagerState } from '../../telegram/manager/manager-bot.service.js';
import {
  CANNOT_MANAGE,
  CONFLICT,
  NOT_READ,
  SERVES_A_LINE,
  WEBHOOK_ELSEWHERE,
} from '../../telegram/manager/manager-trouble.js';
import type { Check } from './doctor.dto.js';
import { finding } from './finding.js';

/** A poll takes eight seconds, and another replica takes over after fifteen; milliseconds. */
const SILENT_MS = 60_000;

/** The bot of TG_MANAGER_BOT_TOKEN; nothing is said where there is none. `now`: as `Date.now()`. */
export function managerChecks({ configured, username, trouble, detail, heardAt }: ManagerState, now: number): Check[] {
  if (!configured) return [];
  const bot = username === null ? 'TG_MANAGER_BOT_TOKEN' : `@${username}`;
  const told = { bot, heard: heardAt?.toISOString() ?? null };
  const said = detail ?? '';
  switch (trouble) {
    case null:
      return heardAt === null || now - heardAt.getTime() > SILENT_MS
        ? [finding('manager', 'manager.idle', told)]
        : [finding('manager', 'manager.ready', { bot, heard: heardAt.toISOString() })];
    case NOT_READ:
      return [finding('manager', 'manager.idle', told)];
    case CANNOT_MANAGE:
      return [finding('manager', 'manager.cannot_manage', { bot })];
    case SERVES_A_LINE:
      return [finding('manager', 'manager.serves_line', { bot })];
    case WEBHOOK_ELSEWHERE:
      return [finding('manager', 'manager.hook_elsewhere', told)];
    case CONFLICT:
      return [finding('manager', 'manager.conflict', told)];
    case '401':
    case '404':
      return [finding('manager', 'manager.token_refused', { ...told, said })];
    default:
      return [
        finding('manager', 'manager.unreachable', { ...told, said: said === '' ? trouble : `${trouble}: ${said}` }),
      ];
  }
}
