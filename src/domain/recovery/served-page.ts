import type { ServedPage } from './point.ts';

/** As many words as tell a page from an empty one, and fit a recovery point. */
const most = 20;

/**
 * What a drill compares a page with: its title and words of its body, as they stand in the HTML, so that the same text is looked
 * for that was seen. Words of letters alone: numbers, dates and addresses change with the host or the hour.
 *
 * @returns null for a page without a title.
 */
export function servedPage(html: string): ServedPage | null {
  const title = /<title[^>]*>([^<]*)<\/title>/i.exec(html)?.[1]?.trim() ?? '';
  if (title === '') return null;
  const body = html.slice(Math.max(0, html.search(/<body[\s>]/i)));
  const text = body
    .replace(/<!--[\s\S]*?-->/g, ' ')
    .replace(/<(script|style|noscript|template|svg|select)\b[\s\S]*?<\/\1\s*>/gi, ' ')
    .replace(/<[^>]*>/g, ' ');
  const words = [
    ...new Set(text.match(/(?<![\p{L}\p{N}&#_.:/@-])\p{L}{5,40}(?![\p{L}\p{N}&;_.:/@-])/gu)),
  ];
  // Spread evenly: a page's beginning and end are the same on every page of a site.
  const step = Math.max(1, words.length / most);
  const chosen = Array.from({ length: Math.min(most, words.length) }, (_, at) =>
    Math.floor(at * step),
  );
  return { title, words: chosen.map((at) => words[at] ?? '') };
}
