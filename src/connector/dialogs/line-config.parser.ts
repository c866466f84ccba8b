import { elementsOf, fieldsOf, scalar } from '../../bitrix/php-values.reader.js';

/** An open line as Bitrix24 itself keeps it. */
export interface LineConfig {
  lineId: string;
  name: string | null;
  /** Whether the line is switched on: one that is off takes clients' words, and its operators cannot answer. */
  enabled: boolean;
}

/** Lists the open lines of a portal (apidocs.bitrix24.com, "imopenlines.config.list.get"). */
export const LINES_METHOD = 'imopenlines.config.list.get';

/** The most that one call answers: whether a line is missing can be told from a shorter list only. */
export const MOST_LINES = 200;

export function lineConfigsQuery(): Record<string, unknown> {
  return { PARAMS: { select: ['ID', 'LINE_NAME', 'ACTIVE'], order: { ID: 'ASC' }, limit: MOST_LINES } };
}

/** Reads the answer: a list, or a map where PHP's list has gaps; ids are texts. What is no line is left out. */
export function readLineConfigs(result: unknown): LineConfig[] {
  return elementsOf(result).flatMap((row): LineConfig[] => {
    const { ID: id, LINE_NAME: name, ACTIVE: active } = fieldsOf(row) ?? {};
    const lineId = scalar(id);
    if (lineId === undefined) return [];
    return [{ lineId, name: scalar(name) || null, enabled: active !== 'N' && active !== false }];
  });
}

/** Under which names operators answer on a line (apidocs.bitrix24.com, "imopenlines.config.get"). */
export interface LineOperators {
  /** As the line gives them: the profile's names, those entered for the queue, none. */
  data: 'profile' | 'queue' | 'hide';
  /** Names entered for the queue, by the employee's id. Who has none is called by the profile. */
  names: Record<string, string>;
}

export const LINE_METHOD = 'imopenlines.config.get';

/** Reads the line's answer; null: it does not say, or there is no such line. */
export function readLineOperators(result: unknown): LineOperators | null {
  const { OPERATOR_DATA: data, QUEUE_USERS_FIELDS: fields } = fieldsOf(result) ?? {};
  if (data !== 'profile' && data !== 'queue' && data !== 'hide') return null;
  const named = Object.entries(fieldsOf(fields) ?? {}).flatMap(([id, row]) => {
    const name = (scalar(fieldsOf(row)?.USER_NAME) ?? '').replace(/\s+/g, ' ').trim();
    return name === '' ? [] : [[id, name] as const];
  });
  return { data, names: Object.fromEntries(named) };
}
