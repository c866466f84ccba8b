/**
 * What a client sees of an operator's reaction: names of the messenger (yuliai/bitrix-modules,
 * ui/lib/Public/Enum/Reaction/ReactionName.php; builds before that have like, kiss, laugh, wonder, cry, angry and facepalm
 * alone), without case and underscores, and what of the list that bots may use says the same
 * (core.telegram.org/bots/api#reactiontypeemoji). The others have no like there.
 */
const EMOJI: Readonly<Record<string, string>> = {
  like: '👍',
  dislike: '👎',
  redheart: '❤',
  fire: '🔥',
  facewithtearsofjoy: '🤣',
  laugh: '😁',
  slightlysmilingface: '😁',
  kiss: '😘',
  wonder: '😱',
  cry: '😢',
  slightlyfrowningface: '😢',
  loudlycryingface: '😭',
  angry: '😡',
  neutralface: '😐',
  thinkingface: '🤔',
  confusedface: '🤔',
  facewithstuckouttongue: '🤪',
  facewithstuckouttongueandwinkingeye: '🤪',
  smilingfacewithsunglasses: '😎',
  smilingfacewithhorns: '😈',
  smilingfacewithhearteyes: '😍',
  smilingfacewithhearts: '🥰',
  clownface: '🤡',
  partyingface: '🎉',
  poo: '💩',
  clappinghands: '👏',
  foldedhands: '🙏',
  okhand: '👌',
  handshake: '🤝',
  eyes: '👀',
  hundredpoints: '💯',
  sleepingsymbol: '😴',
  whiteheavycheckmark: '👍',
};

/** Null: Telegram has none like it. */
export function reactionEmoji(name: string): string | null {
  const key = name.replaceAll('_', '').toLowerCase();
  return Object.hasOwn(EMOJI, key) ? EMOJI[key]! : null;
}
