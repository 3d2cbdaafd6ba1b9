// SPDX-License-Identifier: Apache-2.0
// Copyright The rkt Authors

#include "base/channel.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

#include "base/file.h"

namespace rkt {
namespace {

json::Value Head(const char* text) { return json::Parse(text).value(); }

TEST(Channel, MessagesArriveWithBytesAndDescriptor) {
  auto [channel, end] = Channel::Create().value();
  Channel other(std::move(end));
  auto [reading, writing] = MakePipe().value();
  std::string bytes(3 << 20, '\xff');
  std::thread sender([&] {
    EXPECT_TRUE(channel.Send(Head(R"({"n":1})")));
    EXPECT_TRUE(channel.Send(Head(R"({"n":2})"), bytes, writing.get()));
  });
  auto first = other.Receive().value(), second = other.Receive().value();
  sender.join();
  ASSERT_TRUE(first && second);
  EXPECT_EQ(json::Write(first->head), R"({"n":1})");
  EXPECT_FALSE(first->fd);
  EXPECT_EQ(second->body, bytes);
  ASSERT_TRUE(second->fd);
  writing.Close();
  EXPECT_TRUE(WriteAll(second->fd.get(), "through"));
  second->fd.Close();
  EXPECT_EQ(ReadFd(reading.get()).value(), "through");
}

TEST(Channel, EndBetweenMessagesIsNoError) {
  auto [channel, end] = Channel::Create().value();
  end.Close();
  auto message = channel.Receive();
  ASSERT_TRUE(message);
  EXPECT_FALSE(*message);
  EXPECT_EQ(channel.Send(Head("{}")).error().err(), EPIPE);
}

TEST(Channel, NonsenseIsAnError) {
  const std::string cases[] = {std::string("\x05\0\0\0\0\0\0\0{\"a\"", 12),    // ends in its middle
                               std::string("\xff\xff\xff\xff\0\0\0\0{}", 10),  // too long
                               std::string("\x02\0\0\0\xff\xff\xff\xff{}", 10),
                               std::string("\x02\0\0\0\0\0\0\0{x", 10), std::string("\x02\0", 2)};
  for (const std::string& bytes : cases) {
    auto [channel, end] = Channel::Create().value();
    ASSERT_TRUE(WriteAll(end.get(), bytes));
    end.Close();
    EXPECT_FALSE(channel.Receive()) << HexEncode(bytes.data(), bytes.size());
  }
}

TEST(Channel, ErrorsComeBackWithTheirCauses) {
  Error error = ErrnoError(ENOENT, "open x").Wrap("reading").Wrap("fetching");
  Error back = ErrorFromJson(ErrorToJson(error));
  EXPECT_EQ(back.Text(), error.Text());
  EXPECT_EQ(back.code(), Code::kNotFound);
  EXPECT_EQ(back.err(), ENOENT);
  for (const char* text : {"[]", "{}", "[1]", R"([{"code":99,"errno":0,"message":"m"}])"}) {
    EXPECT_EQ(ErrorFromJson(Head(text)).code(), Code::kInternal) << text;
  }
}

}  // namespace
}  // namespace rkt
