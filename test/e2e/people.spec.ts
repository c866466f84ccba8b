import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Bridge, eventually } from '../support/bridge.js';
import { Conversation } from '../support/conversation.js';

describe('clients as the portal knows them', () => {
  let bridge: Bridge;

  beforeAll(async () => {
    bridge = await Bridge.start({ environment: { B24_REQUESTS_PER_SECOND: '1000' }, bitrix24: { limits: false } });
  });

  afterAll(async () => bridge?.stop());

  const person = (id: number) => bridge.portal.lines.findClient(bridge.connectorId, `tg:${id}`);
  const titleOf = (dialog: string) => bridge.portal.dialog(dialog).chat?.title;
  const becomesTitled = (dialog: string, title: string) =>
    eventually(
      () => titleOf(dialog),
      (known) => known === title,
    );

  it('arrive without their picture when the portal refuses it, and are not offered with it again', async () => {
    const chat = Conversation.of(bridge, 3001);
    chat.client.setsProfilePhoto();
    chat.client.sends('first');
    chat.chatId = (await chat.becomes('first', 'delivered')).chatId;
    await eventually(
      async () => (await bridge.program.admin('GET', `/chats/${chat.chatId}`)).json,
      (item) => item?.avatar != null,
    );
    // The portal forgot the client: it makes the user anew, this time with a picture that it does not take.
    bridge.portal.lines.clients.delete(person(3001)!.xmlId);
    const offered: string[] = [];
    bridge.portal.refusesPicture = ({ name }) => {
      offered.push(name);
      return 'The image is larger than allowed.';
    };
    try {
      chat.client.sends('second');
      await chat.becomes('second', 'delivered');
      chat.client.sends('third');
      await chat.becomes('third', 'delivered');
    } finally {
      bridge.portal.refusesPicture = () => null;
    }
    expect(offered).toHaveLength(1);
    expect(person(3001)).toMatchObject({ name: 'Client', lastName: '3001' });
  });

  it('keep name and page when a message of unknown outcome is looked for', async () => {
    const chat = Conversation.of(bridge, 3002, { username: 'client3002' });
    bridge.bitrix24.faults.next('imconnector.send.messages', { html: 502, performed: true }, 1, chat.fromClient);
    chat.client.sends('did it arrive?');
    await chat.becomes('did it arrive?', 'delivered', 60_000);
    expect(chat.received).toEqual(['did it arrive?']);
    expect(person(3002)).toMatchObject({ name: 'Client', lastName: '3002', url: 'https://t.me/client3002' });
  });

  it('keep name and page when they take a message back', async () => {
    const account = bridge.bot.connectBusiness({ id: 9_301, first_name: 'Owner' });
    const said = account.clientSends({ id: 3003, first_name: 'Ivan', username: 'ivan3003' }, 'oops');
    const [item] = await eventually(
      () => bridge.messages('&q=oops'),
      (items) => items[0]?.['state'] === 'delivered',
    );
    const dialog = bridge.portal.dialog(String(item!['externalChatId']));
    await dialog.waitFor(({ text }) => text === 'oops', 15_000);
    account.deletes(3003, (said as { business_message: { message_id: number } }).business_message.message_id);
    await dialog.waitFor(({ deleted }) => deleted, 15_000);
    expect(person(3003)).toMatchObject({ name: 'Ivan', url: 'https://t.me/ivan3003' });
  });

  it('are called by what can be seen of their names', async () => {
    const client = bridge.bot.client({ id: 3004, first_name: '\u3164', last_name: '\u115F', username: 'blank3004' });
    client.sends('who am I?');
    await bridge.portal.dialog('tg:3004').waitFor(({ text }) => text === 'who am I?', 15_000);
    expect(person(3004)).toMatchObject({ name: 'blank3004', lastName: '' });
    await becomesTitled('tg:3004', '@blank3004');
  });

  it('have dialogs that are called as they are, and called anew when they change their name', async () => {
    const chat = await Conversation.begin(bridge, 3005);
    await becomesTitled('tg:3005', 'Client 3005');
    chat.client.renames({ first_name: 'Anna', last_name: 'Orlova' });
    chat.client.sends('I have married');
    await becomesTitled('tg:3005', 'Anna Orlova');
    const renamings = bridge.portal.calls.filter(
      ({ method, params }) => method === 'imconnector.chat.name.set' && params['CHAT_ID'] === 'tg:3005',
    );
    expect(renamings.map(({ params }) => params['NAME'])).toEqual(['Client 3005', 'Anna Orlova']);
  });

  it('have topics that are dialogs of their own names', async () => {
    const OLGA = { id: 3010, first_name: 'Olga' };
    const forum = bridge.bot.group({ id: -1_003_011, type: 'supergroup', title: 'Buyers' });
    forum.sets('administrator', OLGA);
    const topic = forum.createsTopic(OLGA, 'Delivery');
    forum.saysInTopic(OLGA, topic, 'When?');
    await becomesTitled(`tg:-1003011:${topic}`, 'Delivery');
    forum.renamesTopic(OLGA, topic, 'Delivery and returns');
    forum.saysInTopic(OLGA, topic, 'And how?');
    await becomesTitled(`tg:-1003011:${topic}`, 'Delivery and returns');
  });
});
