import { expect, it } from 'vitest';
import { withoutHtml } from './html-words.js';

it.each([
  ['<p>One &amp; two</p><p>three</p>', 'One & two\nthree'],
  ['a<br/>b<BR>c', 'a\nb\nc'],
  ['<ul><li>1</li><li>2</li></ul>', '1\n2'],
  ['1 < 2 &amp; 3 > 2', '1 < 2 &amp; 3 > 2'],
  ['<b title="x">bold</b>', 'bold'],
  ['<unknown>', '<unknown>'],
  ['<p>&laquo;A&raquo;&nbsp;&mdash; it&#39;s 5&euro; &unknown;</p>', "«A» — it's 5€ &unknown;"],
  ['<table><tr><td>Boots</td><td>2</td></tr>\n <tr><td>Hat</td><td>1</td></tr></table>', 'Boots 2\nHat 1'],
  ['<style>p { color: red }</style><!-- x --><p>Hello</p>', 'Hello'],
  ['<blockquote>said</blockquote>answer<hr>end', 'said\nanswer\nend'],
  ["<a href='https://a.example/x'>here</a>", '[url=https://a.example/x]here[/url]'],
  ['<a class=b href=https://a.example/x><img src="y"></a>', 'https://a.example/x'],
  ['<a href="#top">up</a> <a href="javascript:void(0)">on</a> <a name="x">in</a>', 'up on in'],
])('%j is read as %j', (html, text) => expect(withoutHtml(html)).toBe(text));

it.each(['<!--', '<style>', '<style', '<a href=x>', '<a href=x', ' href=x', '<a ', ' ', '\t', '\r', '&a', '<br'])(
  'takes a moment for however many %j',
  (piece) => {
    const begun = performance.now();
    withoutHtml(`<b>a<a ${piece.repeat(100_000)}b`);
    expect(performance.now() - begun).toBeLessThan(3_000);
  },
);

it('leaves out what nobody sees, and nothing where it does not end', () => {
  expect(withoutHtml('<head><style>a<!-- b</style>c<!-- <title> --><b>d</b><title>e')).toBe('<head>cd<title>e');
});
