"""What people prefer: how a study is laid out, where its votes are kept, and what they say."""
