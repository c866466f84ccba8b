import { describe, expect, it } from 'vitest';
import { parseDocument } from '../entities/document.parser.js';
import { parseRobotPost } from './robot-post.parser.js';

const POST = {
  workflow_id: '55c1dc1c3f0d75.78875596',
  code: 'tg_send_message',
  document_id: ['crm', 'CCrmDocumentDeal', 'DEAL_123'],
  event_token: 'a|b|c.d',
  properties: { text: 'Hello', list: ['one', 'two'], gap: { '0': 'x' }, number: 5, empty: '', nothing: [] },
  use_subscription: 'Y',
  timeout_duration: '60',
};

describe('a post of a robot', () => {
  it('is read', () => {
    expect(parseRobotPost(POST)).toEqual({
      code: 'tg_send_message',
      eventToken: 'a|b|c.d',
      workflowId: '55c1dc1c3f0d75.78875596',
      document: { type: 'deal', id: '123' },
      properties: { text: 'Hello', list: 'one', gap: 'x', number: '5', empty: '', nothing: '' },
      waits: true,
      timeoutSeconds: 60,
    });
  });

  it('is answered unless it says that nobody waits', () => {
    const waits = (use_subscription: unknown) => parseRobotPost({ ...POST, use_subscription })?.waits;
    expect([undefined, '', 'Y', 'N', 'n'].map(waits)).toEqual([true, true, true, false, false]);
  });

  it('may be of a document that is none of the CRM, or have no properties', () => {
    const { properties: _, ...bare } = POST;
    expect(parseRobotPost({ ...bare, document_id: ['tasks', 'Task', '15'] })).toMatchObject({
      document: null,
      properties: {},
    });
  });

  it.each([[undefined], ['text'], [[]], [{}], [{ event: 'ONAPPINSTALL' }], [{ code: 'x' }], [{ event_token: 'x' }]])(
    '%j is none',
    (body) => expect(parseRobotPost(body)).toBeNull(),
  );
});

it.each([
  ['LEAD_1', { type: 'lead', id: '1' }],
  ['COMPANY_007', { type: 'company', id: '7' }],
  ['DYNAMIC_183_5', { type: 'dynamic_183', id: '5' }],
  ['SMART_INVOICE_4', { type: 'dynamic_31', id: '4' }],
  ['QUOTE_2', { type: 'dynamic_7', id: '2' }],
  ['DEAL_0', null],
  ['DYNAMIC_5', null],
  ['DEAL', null],
  ['15', null],
  ['toString_1', null],
])('%s is the document %j', (value, document) => expect(parseDocument(value)).toEqual(document));
