import { expect, it } from 'vitest';
import { REACTION_EMOJI } from './chat.methods.js';
import { reactionEmoji } from '../../../src/connector/events/reaction-emoji.js';

const NAMES =
  'like faceWithTearsOfJoy redHeart neutralFace fire cry slightlySmilingFace winkingFace laugh kiss wonder slightlyFrowningFace ' +
  'loudlyCryingFace faceWithStuckOutTongue faceWithStuckOutTongueAndWinkingEye smilingFaceWithSunglasses confusedFace flushedFace ' +
  'thinkingFace angry smilingFaceWithHorns faceWithThermometer facepalm poo flexedBiceps clappingHands raisedHand dislike ' +
  'smilingFaceWithHeartEyes smilingFaceWithHearts pleadingFace relievedFace foldedHands okHand signHorns loveYouGesture clownFace ' +
  'partyingFace questionMark exclamationMark lightBulb bomb sleepingSymbol crossMark whiteHeavyCheckMark eyes handshake hundredPoints';

it('is one that bots may use, or none', () => {
  const shown = NAMES.split(' ').flatMap((name) => reactionEmoji(name) ?? []);
  expect(shown.length).toBeGreaterThan(30);
  expect(shown.filter((emoji) => !REACTION_EMOJI.has(emoji))).toEqual([]);
});

it.each([
  ['like', '👍'],
  ['LIKE', '👍'],
  ['FACE_WITH_TEARS_OF_JOY', '🤣'],
  ['facepalm', null],
  ['constructor', null],
  ['', null],
])('%s is %s', (name, emoji) => {
  expect(reactionEmoji(name)).toBe(emoji);
});
