import { describe, expect, it } from 'vitest';
import { parseSmsPost } from './sms-post.parser.js';

const POST = {
  module_id: 'crm',
  bindings: [
    { OWNER_TYPE_ID: '2', OWNER_ID: '123' },
    { OWNER_TYPE_ID: '183', OWNER_ID: 5 },
    { OWNER_TYPE_ID: 'x', OWNER_ID: '1' },
    { OWNER_TYPE_ID: '3', OWNER_ID: '0' },
  ],
  type: 'SMS',
  code: 'tg_bot_1',
  message_id: '0cc175b9c0f1b6a831c399e269772661',
  message_to: '+79990000000',
  message_body: 'Hello 😀',
};

describe('a post of the message service', () => {
  it('is read', () => {
    expect(parseSmsPost(POST)).toEqual({
      code: 'tg_bot_1',
      messageId: '0cc175b9c0f1b6a831c399e269772661',
      phone: '+79990000000',
      text: 'Hello 😀',
      entities: [
        { type: 'deal', id: '123' },
        { type: 'dynamic_183', id: '5' },
      ],
      isMailing: false,
    });
  });

  it('may name a document of a process, or nobody', () => {
    const { bindings: _, ...bare } = POST;
    const ofProcess = { ...bare, module_id: 'bizproc', document_id: ['crm', 'CCrmDocumentLead', 'LEAD_1'] };
    expect(parseSmsPost(ofProcess)?.entities).toEqual([{ type: 'lead', id: '1' }]);
    expect(parseSmsPost({ ...bare, module_id: 'sender' })).toMatchObject({ entities: [], isMailing: true });
  });

  it.each([[undefined], [[]], [{}], [{ code: 'x' }], [{ message_id: 'y' }]])('%j is none', (body) =>
    expect(parseSmsPost(body)).toBeNull(),
  );
});
