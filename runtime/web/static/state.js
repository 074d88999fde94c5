// The state of the page. The document lives here and nowhere else.

import { Document } from "./history.js";
import { Stage } from "./stage.js";

export const $ = (id) => document.getElementById(id);

export const stage = new Stage($("stage"));

export const page = {
  server: null, // what /api/v1/info says
  file: null,
  said: null, // what the server says of the file
  work: new Document(),
  state: "empty",
  screenSize: 24, // of the brush, in CSS pixels: constant while zooming
  abort: null,
  again: null, // what "Try again" does
  offline: false,
  saved: true,
};

/** Whether the document cannot be changed now. */
export const locked = () => ["empty", "opening", "waiting", "running", "busy"].includes(page.state);
