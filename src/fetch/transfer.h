// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#pragma once

// `fetch transfer`: answers rkt's requests for what lies behind URLs, one after the other, until
// rkt closes the channel. So connections are kept from one request to the next. What the messages
// hold is said here, for both sides:
//
//   {"op":"hello","auth":[...]}    first: the configuration's entries of kind auth. No answer.
//   {"op":"get","url":U}           a small body: {"status":N,"url":LAST}, the body behind it
//   whatever the status
//   {"op":"download","url":U}      into the file whose descriptor comes along, after what is in it
//   already:
//                                  {"status":200|202|304,"etag":E,"cacheControl":C,"size":N}; other
//                                  statuses are errors
//
// Members of both, left out where false or empty: "agent" (User-Agent), "http" (plain http is
// allowed), "downgrade" (redirects from https to http), "anyPeer" (certificates are not checked),
// "httpAuth" (credentials also by plain http). Of get: "max" (bytes). Of download: "etag"
// (If-None-Match), "partialEtag" (of what is in the file). Before the answer:
// {"progress":DONE,"total":N}; {"begins":ETAG} before the first byte goes into the file;
// {"notice":TEXT} for the user. An answer {"error":[...]} (base/channel.h) ends that request alone.

#include "base/channel.h"
#include "base/result.h"

namespace rkt::fetch {

Status ServeTransfers(Channel channel);

}  // namespace rkt::fetch
