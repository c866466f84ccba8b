import { isBlank } from '../../relay/rich-text.js';
import { asNumber, asObject, asText } from '../../common/json-fields.js';
import type { MessageLabels } from './message-labels.js';

/** `label: name`, or the label alone where there is no name. */
export function named(label: string, name: string): string {
  return isBlank(name) ? label : `${label}: ${name}`;
}

/** The label with the title of what it stands for. */
export function titled(label: string, value: unknown): string {
  return named(label, asText(asObject(value).title));
}

/** `label (details)`, or the label alone where there are none. */
export function withDetails(label: string, details: string): string {
  return details === '' ? label : `${label} (${details})`;
}

/** The parts that are not empty, a comma between them. */
export function listed(...parts: string[]): string {
  return parts.filter((part) => part !== '').join(', ');
}

/** The parts that are not empty, a space between them. */
export function spaced(...parts: string[]): string {
  return parts.filter((part) => part !== '').join(' ');
}

/** The parts that are not empty, a line each. */
export function lines(...parts: (string | undefined)[]): string {
  return parts.filter((part) => part !== undefined && part !== '').join('\n');
}

/** `duration` of a Voice, Video, …, in seconds there, as `m:ss` or `h:mm:ss`. */
export function playingTime(file: unknown): string {
  const seconds = asNumber(asObject(file).duration);
  if (seconds === undefined || seconds < 0) return '';
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, Math.floor(seconds) % 60];
  const padded = (part: number) => String(part).padStart(2, '0');
  return h > 0 ? `${h}:${padded(m)}:${padded(s)}` : `${m}:${padded(s)}`;
}

/** Bytes as people read them: `178 KB`. */
export function fileSize(bytes: number | undefined, { byteUnits }: MessageLabels): string {
  if (bytes === undefined || bytes < 1) return '';
  const power = Math.min(byteUnits.length - 1, Math.floor(Math.log2(bytes) / 10));
  const size = bytes / 1024 ** power;
  return `${power === 0 || size >= 100 ? Math.round(size) : Math.round(size * 10) / 10} ${byteUnits[power]}`;
}
