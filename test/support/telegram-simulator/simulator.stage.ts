import { Api } from 'grammy';
import { expect } from 'vitest';
import { TelegramSimulator, type TelegramSimulatorOptions } from '../telegram-simulator.js';
import type { SimulatedBot } from './simulated.bot.js';
import type { SimulatedClient } from './simulated.client.js';

export const TOKEN = '123456:TEST-token_1';

export interface ApiAnswer {
  status: number;
  headers: Headers;
  ok: boolean;
  // oxlint-disable-next-line typescript/no-explicit-any
  result?: any;
  error_code?: number;
  description?: string;
  parameters?: { retry_after?: number; migrate_to_chat_id?: number };
}

/** The simulator of the running test, its bot and one client; {@link start} renews them. */
export let tg: TelegramSimulator;
export let bot: SimulatedBot;
export let ivan: SimulatedClient;
/** grammY's own client of the bot. */
export let api: Api;

export async function start(options: TelegramSimulatorOptions = {}): Promise<void> {
  await tg?.stop();
  tg = await TelegramSimulator.start({ brakes: false, ...options });
  bot = tg.addBot({ token: TOKEN, username: 'shop_bot', firstName: 'Shop' });
  ivan = bot.client({ id: 777, first_name: 'Ivan', username: 'ivan', language_code: 'ru' });
  api = new Api(TOKEN, { apiRoot: tg.url });
}

export async function request(path: string, init?: RequestInit): Promise<ApiAnswer> {
  const response = await fetch(`${tg.url}${path}`, init);
  const body = (await response.json()) as object;
  return { status: response.status, headers: response.headers, ...body } as ApiAnswer;
}

export function call(method: string, params: object = {}, token = TOKEN): Promise<ApiAnswer> {
  return request(`/bot${token}/${method}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(params),
  });
}

/** `<error_code> <description>` of a call that must be refused. */
export async function refusal(method: string, params: object = {}, token = TOKEN): Promise<string> {
  const answer = await call(method, params, token);
  expect(answer.ok).toBe(false);
  expect(answer.error_code).toBe(answer.status);
  return `${answer.error_code} ${answer.description}`;
}

/** The same of a call through grammY. */
export async function refused(called: Promise<unknown>): Promise<string> {
  const error = await called.then(
    () => 'not refused',
    (caught: unknown) => caught,
  );
  const { error_code, description } = error as { error_code?: number; description?: string };
  return description === undefined ? String(error) : `${error_code} ${description}`;
}

export const eventually = <T>(read: () => T) => expect.poll(read, { timeout: 10_000, interval: 10 });
