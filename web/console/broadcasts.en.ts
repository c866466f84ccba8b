import { plural } from '../shared/i18n.js';

const n = (count: number, forms: string) => plural('en', count, forms);

function time(seconds: number): string {
  if (seconds < 60) return 'less than a minute';
  const minutes = Math.ceil(seconds / 60);
  return minutes < 120 ? n(minutes, '# minute|# minutes') : n(Math.ceil(minutes / 60), '# hour|# hours');
}

/** What the page of broadcasts says. */
export const broadcasts = {
  about: 'One message for many clients. Those who have unsubscribed or blocked the bot do not get it.',
  create: 'New broadcast',
  edit: 'Edit',
  formAbout: 'Nothing is sent before you start it.',
  name: 'Name',
  nameHelp: 'For you: clients do not see it.',
  text: 'Text',
  textHelp: 'With the tags of Bitrix24, such as [b]bold[/b]. {first_name} and {name} become the client’s name.',
  buttons: 'Buttons',
  buttonsHelp: 'One a line; with a link: text | https://…',
  file: 'File',
  fileHelp: 'Up to 10 MB.',
  link: 'Or a link to a file',
  linkHelp: 'A file of your Bitrix24 is sent as a file, any other link as a link.',
  hasUnsubscribe: 'Button “Unsubscribe”',
  audience: 'Who gets it',
  language: 'Languages',
  languageHelp: 'Of their Telegram apps, such as: en, ru',
  tags: 'Tags',
  tagsHelp: 'One of them is enough: vip, regular',
  chatTags: 'Your own, separated by commas, such as: vip, regular. Broadcasts find their clients by them.',
  source: 'Link (payload)',
  campaign: 'Campaign (utm_campaign)',
  lastWords: 'Wrote last',
  ever: 'At any time',
  within: (days: number) => `In the last ${n(days, 'day|# days')}`,
  clients: (count: number) => n(count, '# client|# clients'),
  takes: (seconds: number) => `takes ${seconds < 60 ? '' : 'about '}${time(seconds)}`,
  leftOut: (unsubscribed: string, blocked: string) =>
    `Left out: ${unsubscribed} unsubscribed, ${blocked} blocked the bot`,
  nobody: 'Nobody fits',
  save: 'Save',
  saved: 'Saved',
  test: 'Send a test',
  testAbout: 'Choose the chat in which you have written to the bot yourself.',
  testSearch: 'Name, @user name or id',
  testSend: 'Send',
  tested: 'The test is on its way',
  start: 'Start',
  startTitle: (name: string) => `Start “${name}”`,
  startText: (count: number, seconds: number) =>
    `${n(count, '# client gets|# clients get')} this message; it ${seconds < 60 ? 'takes' : 'takes about'} ${time(seconds)}. Answers to clients go first all the while.\nYou can pause it. What was sent cannot be taken back.`,
  counting: 'Counting…',
  started: 'Started',
  pause: 'Pause',
  paused: 'Paused: nothing more is sent',
  resume: 'Resume',
  resumed: 'Going on',
  stop: 'Stop',
  stopTitle: (name: string) => `Stop “${name}”`,
  stopText: (waiting: number) =>
    `${n(waiting, '# client who does|# clients who do')} not have it yet will not get it. This cannot be undone; to interrupt it, pause it.`,
  stopped: 'Stopped',
  remove: 'Delete',
  removeTitle: (name: string) => `Delete “${name}”`,
  removeText:
    'Its report is deleted. Messages that were sent stay in the chats, and who unsubscribed stays unsubscribed.',
  removed: 'Broadcast deleted',
  report: 'Report',
  progress: (done: string, all: string) => `${done} of ${all}`,
  pausedBecause: {
    file_unavailable:
      'Its file could not be sent, and nobody gets the text without it. Send a test: if it arrives, resume; otherwise stop the broadcast and make a new one.',
    portal_removed:
      'The application was removed from the portal. Once it is installed again, the broadcast can be resumed, if it is still wanted.',
    bots_off:
      'The clients who still wait cannot be written to: their bot is switched off or needs a new token, or its open line is off. Resume when it works again.',
  },
  states: { draft: 'Draft', running: 'Running', paused: 'Paused', stopped: 'Stopped', done: 'Finished' },
  counts: {
    delivered: 'Delivered',
    pressed: 'pressed a button',
    answered: 'answered',
    left: 'unsubscribed after it',
    blocked: 'Blocked the bot',
    unsubscribed: 'Unsubscribed before their turn',
    failed: 'Failed',
    uncertain: 'Uncertain',
    too_long: 'Text too long with the client’s name',
    gone: 'Erased, banned, or their bot left',
    sending: 'Being sent',
    waiting: 'Waiting',
    stopped: 'Not sent: stopped',
  },
  countsHelp: 'Answers and unsubscribing count for seven days. Telegram does not tell who opens links.',
  none: 'No broadcasts yet',
  noneAdvice: 'Write to everybody who has written to your bots, or to some of them.',
  unsubscribed: 'Unsubscribed',
  unsubscribe: 'Unsubscribe from broadcasts',
  unsubscribeText: 'This client gets no broadcasts and no advertising of robots. Operators can still write.',
  subscribe: 'Subscribe to broadcasts',
  subscribeText: 'Only if the client has asked for it: they get broadcasts again.',
};
