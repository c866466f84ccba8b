import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createApi, ProblemError, query } from './api.js';

const json = (body: unknown, init: ResponseInit = {}) => new Response(JSON.stringify(body), init);
let requests: Request[];
let respond: (request: Request) => Response | Promise<Response>;

beforeEach(() => {
  requests = [];
  vi.stubGlobal('document', { baseURI: 'https://bridge.example/below/console' });
  vi.stubGlobal('fetch', async (request: Request) => {
    requests.push(request);
    return respond(request);
  });
});
afterEach(() => vi.unstubAllGlobals());

const thrownBy = (call: Promise<unknown>) =>
  call.then(
    () => expect.unreachable(),
    (error: unknown) => error as ProblemError,
  );

it('calls the API beside the page, with the key as a header', async () => {
  respond = () => json({ items: [], nextCursor: null });
  await createApi('secret').messages({ q: 'a b', state: '', chat: undefined }, 'next', 20);
  const [request] = requests;
  expect(request!.url).toBe('https://bridge.example/below/admin/messages?q=a+b&limit=20&cursor=next');
  expect(request!.headers.get('authorization')).toBe('Bearer secret');
  expect(request!.credentials).toBe('omit');
});

it('leaves out of a query what was not chosen, but not 0', () => {
  expect(query({ a: undefined, b: '', c: 0, d: 'ä&' })).toBe('c=0&d=%C3%A4%26');
});

it('sends bodies as JSON, and reads answers without any', async () => {
  respond = () => json({ retried: 3 });
  expect(await createApi('k').retryAll({ state: 'failed' })).toEqual({ retried: 3 });
  expect(requests[0]!.headers.get('content-type')).toBe('application/json');
  expect(await requests[0]!.json()).toEqual({ state: 'failed' });
  respond = () => new Response(null, { status: 204 });
  expect(await createApi('k').removeBot('7')).toBeUndefined();
  expect([requests[1]!.method, requests[1]!.url]).toEqual(['DELETE', 'https://bridge.example/below/admin/bots/7']);
});

it('throws what the service says of a refusal', async () => {
  respond = () => json({ code: 'too_many', detail: 'Wait.' }, { status: 429, headers: { 'retry-after': '4' } });
  const problem = await thrownBy(createApi('k').doctor());
  expect(problem).toBeInstanceOf(ProblemError);
  expect(problem).toMatchObject({ status: 429, code: 'too_many', message: 'Wait.', retryAfter: 4 });
});

it('throws what a proxy says in its own words', async () => {
  respond = () => new Response('<h1>Bad gateway</h1>', { status: 502 });
  expect(await thrownBy(createApi('k').me())).toMatchObject({ status: 502, code: 'unknown', retryAfter: null });
});

it('says of every 401 that the key is refused', async () => {
  const refused = vi.fn();
  respond = () => json({ code: 'unauthorised' }, { status: 401 });
  await thrownBy(createApi('old', refused).me());
  expect(refused).toHaveBeenCalledOnce();
});

it('tells a service that is away from a call that was given up', async () => {
  respond = () => Promise.reject(new TypeError('Failed to fetch'));
  expect(await thrownBy(createApi('k').me())).toMatchObject({ status: 0, code: 'unreachable' });
  const over = new AbortController();
  over.abort(new DOMException('left', 'AbortError'));
  const error = await thrownBy(createApi('k').chats({}, undefined, over.signal));
  expect(error).not.toBeInstanceOf(ProblemError);
});

it('hands an export on as it comes', async () => {
  respond = () => new Response('{}\n{}\n', { headers: { 'content-type': 'application/x-ndjson' } });
  const response = await createApi('k').export('ndjson', { chat: '5' });
  expect(requests).toHaveLength(1);
  expect(await response.text()).toBe('{}\n{}\n');
});
