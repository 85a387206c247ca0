// Copyright: azora.platform contributors
// GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package nftables

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// Apply hands the script to the kernel in one transaction: all of it or nothing, without a moment in between.
func Apply(ctx context.Context, script string) error {
	command := exec.CommandContext(ctx, "nft", "-f", "-")
	command.Stdin = strings.NewReader(script)
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	if err := command.Run(); err != nil {
		return fmt.Errorf("nft: %w: %s", err, strings.TrimSpace(output.String()))
	}
	return nil
}

// Stands says whether the rules of that generation are in the kernel; generation "" asks for any rules of ours.
func Stands(ctx context.Context, generation string) bool {
	arguments := []string{"list", "table", "inet", Table}
	if generation != "" {
		arguments = []string{"list", "chain", "inet", Table, generation}
	}
	return exec.CommandContext(ctx, "nft", arguments...).Run() == nil
}
