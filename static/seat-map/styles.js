/**
 * The style sheet of the element. A page can set every `--seat-map-*` variable (docs/seat-map.md).
 */
export const styles = new CSSStyleSheet();
styles.replaceSync(`
:host {
  display: block; position: relative; min-height: 200px; overflow: hidden; contain: layout paint style;
  --_target: var(--seat-map-target, 44px);
  --_bg: var(--seat-map-background, #fbfaf7);
  --_ink: var(--seat-map-ink, #1c1b22);
  --_muted: var(--seat-map-muted, #63606b);
  --_line: var(--seat-map-line, #d9d5cc);
  --_taken: var(--seat-map-taken, #d8d4cb);
  --_own: var(--seat-map-own, #f5a800);
  --_own-ink: var(--seat-map-own-ink, #1c1b22);
  --_shape: var(--seat-map-shape, #ece8df);
  --_shape-ink: var(--seat-map-shape-ink, #57535e);
  --_surface: var(--seat-map-surface, #ffffff);
  --_accent: var(--seat-map-accent, #0a6c6e);
  --_warn: var(--seat-map-warn, #9a3412);
  --_shadow: 0 1px 2px rgb(20 18 28 / .08), 0 6px 20px rgb(20 18 28 / .10);
  font-family: var(--seat-map-font, ui-sans-serif, system-ui, "Noto Sans", "Noto Sans Devanagari", sans-serif);
  font-size: 15px; line-height: 1.35; color: var(--_ink); background: var(--_bg);
}
:host([data-dark]) {
  --_bg: var(--seat-map-background, #12161b);
  --_ink: var(--seat-map-ink, #f1efe9);
  --_muted: var(--seat-map-muted, #a7abb5);
  --_line: var(--seat-map-line, #343c47);
  --_taken: var(--seat-map-taken, #39414c);
  --_own: var(--seat-map-own, #ffc13d);
  --_own-ink: var(--seat-map-own-ink, #17130a);
  --_shape: var(--seat-map-shape, #202730);
  --_shape-ink: var(--seat-map-shape-ink, #b5b9c2);
  --_surface: var(--seat-map-surface, #1c222a);
  --_accent: var(--seat-map-accent, #5fd0c5);
  --_warn: var(--seat-map-warn, #ffb28a);
  --_shadow: 0 1px 2px rgb(0 0 0 / .4), 0 8px 24px rgb(0 0 0 / .45);
}
* { box-sizing: border-box; }
:host([hidden]), [hidden] { display: none !important; }
button { font: inherit; color: inherit; cursor: pointer; }
:focus-visible { outline: 3px solid var(--_accent); outline-offset: 2px; }
.frame { position: absolute; inset: 0; container-type: size; display: grid; grid-template: auto auto minmax(0, 1fr) auto / minmax(0, 1fr); }
.field, .list, .popups { grid-area: 3 / 1; position: relative; min-height: 0; overflow: hidden; }
.popups { pointer-events: none; }
.popups > * { pointer-events: auto; }
.stage, .overlay, .labels, .grid { position: absolute; inset: 0; }
.stage { overflow: hidden; }
.pane { position: absolute; left: 0; top: 0; transform-origin: 0 0; will-change: transform; }
.pane canvas { position: absolute; }
.overlay { width: 100%; height: 100%; pointer-events: none; }
.labels { inset: auto; left: 0; top: 0; pointer-events: none; transform-origin: 0 0; will-change: transform; }
.ruler { position: absolute; inset: 0; pointer-events: none; }
.ruler-rows { position: absolute; inset: 0 auto 0 0; width: 24px; background: var(--_bg); border-inline-end: 1px solid var(--_line); }
.ruler-rows span { position: absolute; left: 0; width: 100%; margin-top: -9px; text-align: center; font-size: 12px; line-height: 18px; font-weight: 600; color: var(--_muted); }
.ruler-section { position: absolute; inset: 0 0 auto 0; height: 24px; background: var(--_bg); border-bottom: 1px solid var(--_line); text-align: center; font-size: 13px; line-height: 23px; font-weight: 600; white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.label {
  position: absolute; margin: auto; width: max-content; height: max-content; display: grid; justify-items: center; gap: 2px; padding: 3px 9px 5px; border-radius: 10px;
  background: color-mix(in srgb, var(--_surface) 90%, transparent); box-shadow: 0 0 0 1px var(--_line);
  font-size: 12px; line-height: 1.25; white-space: nowrap; font-variant-numeric: tabular-nums;
}
.label-name { font-weight: 650; }
.label-free { color: var(--_muted); }
.gauge { width: 100%; min-width: 18px; height: 5px; border-radius: 3px; background: var(--_line); }
.label-free:empty + .gauge { visibility: hidden; }
.gauge i { display: block; height: 100%; border-radius: 3px; background: var(--_accent); }
.label.sold-out .label-name { text-decoration: line-through; text-decoration-thickness: 1px; color: var(--_muted); }
.label.as-name { padding: 1px 6px 4px; font-size: 11px; }
.as-name .label-free, .as-gauge > span:not(.gauge), .as-dot > span:not(.gauge), .as-none { display: none; }
.label.as-gauge { width: 22px; padding: 2px; border-radius: 6px; }
.label.as-dot { width: 12px; padding: 2px; border-radius: 6px; }
.as-dot .gauge { min-width: 0; }
.grid { cursor: grab; touch-action: none; user-select: none; -webkit-user-select: none; outline-offset: -4px; }
.grid:active { cursor: grabbing; }
.grid.on-seat { cursor: pointer; }
.grid > div, .live { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.legend { display: flex; flex-wrap: wrap; gap: 8px; padding: 10px 12px; min-height: 64px; }
.chip {
  display: inline-flex; align-items: center; gap: 7px; min-height: var(--_target); padding: 6px 12px 6px 10px; border-radius: 32px; white-space: nowrap; font-size: 14px;
  border: 1px solid var(--_line); background: var(--_surface); box-shadow: 0 1px 2px rgb(20 18 28 / .06); flex: none; max-width: 100%;
}
.chip-name { font-weight: 560; overflow: hidden; text-overflow: ellipsis; }
.chip-price { color: var(--_muted); font-variant-numeric: tabular-nums; }
.chip[aria-pressed="true"] { border: 2px solid var(--_accent); padding-inline: 9px 11px; }
.filtered .chip[aria-pressed="false"] { background: transparent; box-shadow: none; border-style: dashed; }
.filtered .chip[aria-pressed="false"] .swatch { opacity: .35; }
.filtered .chip[aria-pressed="false"] .chip-name { font-weight: 450; color: var(--_muted); }
.swatch { width: 18px; height: 18px; flex: none; display: inline-grid; place-items: center; border-radius: 34% 34% 16% 16%; background: var(--fill); color: var(--sign); }
.swatch .icon { width: 82%; height: 82%; stroke-width: 3; }
.swatch.held { border: 1.5px solid var(--_muted); background: repeating-linear-gradient(135deg, transparent 0 2px, var(--_muted) 2px 3px); }
.swatch.sold { transform: scale(.8); background: var(--_taken); color: var(--_muted); }
.swatch.chosen { border: 2px solid var(--_ink); background: var(--_own); color: var(--_own-ink); }
.swatch.mine { border: 2px solid var(--_own); background: var(--_own-ink); color: var(--_own); }
.banner {
  grid-area: 2 / 1; position: relative; justify-self: start; margin: 0 12px 8px; display: flex; align-items: center; gap: 9px; padding: 9px 14px; border-radius: 12px; max-width: 560px;
  background: var(--_surface); box-shadow: var(--_shadow); border-inline-start: 4px solid var(--_warn); font-weight: 520;
}
.banner.over { grid-area: 3 / 1; align-self: start; }
.banner.good { border-color: var(--_accent); }
.banner .icon { flex: none; }
.foot { grid-row: 4; display: flex; align-items: center; gap: 8px 18px; padding: 8px 12px; min-height: 60px; border-top: 1px solid var(--_line); }
.count { font-weight: 650; font-variant-numeric: tabular-nums; white-space: nowrap; }
.key { list-style: none; margin: 0; padding: 0; display: flex; flex-wrap: wrap; gap: 2px 14px; font-size: 13px; }
.key li { display: inline-flex; align-items: center; gap: 6px; color: var(--_muted); }
.key .swatch { width: 16px; height: 16px; }
.tools { display: flex; gap: 8px; margin-inline-start: auto; }
.tools button { width: var(--_target); height: var(--_target); border-radius: 12px; border: 1px solid var(--_line); background: var(--_surface); display: grid; place-items: center; padding: 0; }
.tools .keyShow, .list-open .zoomIn, .list-open .zoomOut, .list-open .zoomFit { display: none; }
.icon { width: 20px; height: 20px; fill: none; stroke: currentColor; stroke-width: 2; stroke-linecap: round; stroke-linejoin: round; }
.list { overflow-y: auto; padding: 2px 12px 12px; overscroll-behavior: contain; }
.list-section { border-bottom: 1px solid var(--_line); }
.list-section summary { display: flex; flex-wrap: wrap; align-items: center; gap: 2px 12px; min-height: 52px; padding: 8px 4px; cursor: pointer; list-style-position: inside; }
.list-section summary::before { content: "+"; width: 1ch; font-weight: 650; color: var(--_accent); }
.list-section[open] summary::before { content: "−"; }
.list-section summary::-webkit-details-marker { display: none; }
.list-name { font-weight: 650; }
.list-count { color: var(--_muted); font-variant-numeric: tabular-nums; margin-inline-start: auto; }
.list-row { display: grid; grid-template-columns: 76px minmax(0, 1fr); gap: 4px 10px; padding: 4px 0 10px; align-items: start; }
.list-head { padding-top: 12px; font-size: 13px; color: var(--_muted); }
.list-seats { display: flex; flex-wrap: wrap; gap: 6px; }
.list-seat { position: relative; min-width: 44px; height: 44px; padding: 0 4px; border-radius: 10px; border: 1.5px solid var(--_accent); background: var(--_surface); font-weight: 600; font-variant-numeric: tabular-nums; }
.list-seat.accessible::after { content: "♿︎"; position: absolute; right: 2px; bottom: -1px; font-size: 12px; line-height: 1.3; }
.list-seat[aria-disabled="true"] { border: 1px dashed var(--_muted); background: transparent; color: var(--_muted); font-weight: 400; text-decoration: line-through; cursor: default; }
.list-seat[data-state="5"], .list-seat[data-state="6"] { border: 3px solid var(--_ink); background: var(--_own); color: var(--_own-ink); font-weight: 700; text-decoration: none; }
.tip, .callout, .typing { position: absolute; left: 0; top: 0; background: var(--_surface); border-radius: 12px; box-shadow: var(--_shadow), 0 0 0 1px var(--_line); }
.tip { padding: 8px 12px; pointer-events: none; max-width: 240px; }
.tip b { display: block; }
.tip span { color: var(--_muted); font-size: 13px; }
.callout { padding: 12px 14px 14px; width: min(384px, calc(100% - 24px)); border-top: 4px solid var(--_warn); }
.callout p { margin: 0 32px 8px 0; font-weight: 600; }
.callout .near { margin: 0 0 8px; color: var(--_muted); font-weight: 450; font-size: 14px; }
.callout .offers { display: flex; flex-wrap: wrap; gap: 8px; }
.callout .offers button { min-height: 44px; padding: 6px 12px; border-radius: 10px; border: 1.5px solid var(--_accent); background: transparent; font-weight: 600; }
.callout .shut { position: absolute; right: 2px; top: 0; width: 44px; height: 44px; border: 0; background: transparent; display: grid; place-items: center; }
.typing { left: 50%; top: 45%; transform: translate(-50%, -50%); padding: 10px 20px; font-size: 22px; font-weight: 650; pointer-events: none; }
.cover { position: absolute; inset: 0; display: grid; place-content: center; justify-items: center; gap: 6px; text-align: center; padding: 24px; background: var(--_bg); }
.cover.light { background: none; pointer-events: none; }
.cover.light p::before { content: ""; display: block; width: 34px; height: 34px; margin: 0 auto 14px; border-radius: 12px 12px 6px 6px; background: var(--_taken); }
.cover h2 { margin: 8px 0 0; font-size: 20px; }
.cover p { margin: 0 0 12px; color: var(--_muted); max-width: 36ch; }
.cover .action { min-height: 44px; padding: 8px 20px; border-radius: 12px; border: 0; background: var(--_accent); color: var(--_bg); font-weight: 600; text-decoration: none; display: inline-grid; place-items: center; }
.list-open .callout { left: 50%; top: auto; bottom: 8px; transform: translateX(-50%) !important; }
.list-open .tip { display: none; }
@container (max-width: 680px) {
  .key { display: none; }
  .key-open .key { display: flex; position: absolute; left: 8px; right: 8px; bottom: 68px; gap: 10px 18px; padding: 14px 16px; border-radius: 12px; background: var(--_surface); box-shadow: var(--_shadow), 0 0 0 1px var(--_line); font-size: 14px; }
  .tools .keyShow { display: grid; }
  .tools { gap: 6px; }
  .foot { padding: 8px; }
  .count { font-size: 13px; white-space: normal; line-height: 1.2; }
  .legend { flex-wrap: nowrap; overflow-x: auto; scroll-padding-inline: 40px; padding: 8px; min-height: 60px; scrollbar-width: none; mask-image: linear-gradient(to right, #000 calc(100% - 36px), transparent); }
  .legend::-webkit-scrollbar { display: none; }
  .legend::after { content: ""; flex: 0 0 28px; }
  .chip { padding: 6px 11px 6px 9px; gap: 6px; }
  .list-row { grid-template-columns: minmax(0, 1fr); }
  .list-head { padding-top: 4px; }
}
@container (max-height: 420px) {
  .legend { flex-wrap: nowrap; overflow-x: auto; padding: 4px 8px; min-height: 0; scrollbar-width: none; }
  .chip { min-height: 36px; padding-block: 2px; }
  .banner { padding-block: 2px; }
  .foot { padding: 2px 8px; min-height: 0; }
  .key { display: none; }
}
@media (prefers-reduced-motion: no-preference) {
  .callout { animation: rise .18s ease-out; }
  .cover.light p::before { animation: wait 1.4s ease-in-out infinite alternate; }
  @keyframes wait { from { opacity: .35; } }
  @keyframes rise { from { opacity: 0; margin-top: 8px; } }
}
@media (forced-colors: active) { .swatch, .field { forced-color-adjust: none; } .field { background: var(--_bg); } .chip, .tools button, .banner, .callout, .tip { border: 1px solid CanvasText; } .gauge i { background: CanvasText; } }
`);
