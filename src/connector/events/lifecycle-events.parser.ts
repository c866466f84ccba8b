import { elementsOf, fieldsOf, isYes, languageCode, scalar } from '../../bitrix/php-values.reader.js';
import type { EventEnvelope } from './event.parser.js';

/** ONIMCONNECTORSTATUSDELETE, whose keys are lower case. null: it names no line. */
export function parseStatusDelete(data: unknown): { connector: string; lineId: string } | null {
  const fields = fieldsOf(data) ?? {};
  const connector = scalar(fields.connector ?? fields.CONNECTOR);
  const lineId = scalar(fields.line ?? fields.LINE);
  return connector && lineId ? { connector: connector.toLowerCase(), lineId } : null;
}

/** ONIMCONNECTORLINEDELETE, whose `data` is the line's number itself. null: it names no line. */
export function parseLineDelete(data: unknown): string | null {
  const fields = fieldsOf(data);
  return scalar(data) ?? scalar(fields?.LINE ?? fields?.line ?? elementsOf(data)[0]) ?? null;
}

/** ONAPPUNINSTALL: did the administrator ask to wipe the application's data? */
export function parseUninstall(data: unknown): { clean: boolean } {
  return { clean: isYes(fieldsOf(data)?.CLEAN) };
}

/** LANGUAGE_ID of a lifecycle event, lower case; undefined when it names none. */
export function eventLanguage(event: EventEnvelope): string | undefined {
  return languageCode(fieldsOf(event.data)?.LANGUAGE_ID);
}
